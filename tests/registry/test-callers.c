/* framecache: who calls, where the bus does not tell the groups
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "callers.h"

static int
compare (gconstpointer a, gconstpointer b)
{
  gid_t left = *(const gid_t *) a, right = *(const gid_t *) b;

  return left < right ? -1 : left > right;
}

/* What id says of the user UID. */
static GArray *
ask_id (const gchar *uid)
{
  const gchar *command[] = { "id", "-G", uid, NULL };
  GArray *groups = g_array_new (FALSE, FALSE, sizeof (gid_t));
  g_autofree gchar *printed = NULL;
  g_auto (GStrv) words = NULL;

  g_assert_true (g_spawn_sync (NULL, (gchar **) command, NULL,
                               G_SPAWN_SEARCH_PATH, NULL, NULL, &printed, NULL,
                               NULL, NULL));
  words = g_strsplit (g_strstrip (printed), " ", -1);
  for (gchar **word = words; *word != NULL; word++)
    {
      gid_t group = (gid_t) strtoul (*word, NULL, 10);

      g_array_append_val (groups, group);
    }
  g_array_sort (groups, compare);
  return groups;
}

static void
test_groups_are_those_of_a_login (void)
{
  struct passwd *user;
  guint seen = 0;

  setpwent ();
  while ((user = getpwent ()) != NULL && seen++ < 50)
    {
      g_autofree gchar *uid = g_strdup_printf ("%u", user->pw_uid);
      g_autoptr (GArray) expected = ask_id (uid);
      g_autoptr (GArray) groups = fcr_groups_of_user (user->pw_uid);
      FcrCaller caller = { user->pw_uid, groups };

      g_assert_true (fcr_caller_in_group (&caller, user->pw_gid));
      g_array_sort (groups, compare);
      g_assert_cmpmem (groups->data, groups->len * sizeof (gid_t),
                       expected->data, expected->len * sizeof (gid_t));
    }
  endpwent ();
  g_assert_cmpuint (seen, >, 0);
}

static void
test_nobody_has_no_groups (void)
{
  /* A number that no system gives away. */
  g_autoptr (GArray) groups = fcr_groups_of_user (G_MAXINT - 1);
  FcrCaller caller = { G_MAXINT - 1, groups };

  g_assert_cmpuint (groups->len, ==, 0);
  g_assert_false (fcr_caller_in_group (&caller, 0));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/callers/groups-are-those-of-a-login",
                   test_groups_are_those_of_a_login);
  g_test_add_func ("/callers/nobody-has-no-groups", test_nobody_has_no_groups);
  return g_test_run ();
}
