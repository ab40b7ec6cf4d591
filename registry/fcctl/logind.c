/* framecache: what logind does to shared memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "logind.h"

#include <pwd.h>
#include <string.h>

/* Users that logind takes for people's: from login.defs' default on, without
 * those that systemd gives out for services. */
#define USER_FIRST 1000
#define DYNAMIC_FIRST 61184
#define DYNAMIC_LAST 65535

/* In the order in which systemd looks: what is in the first goes before a file
 * of the same name in the next. */
static const gchar *const folders[]
    = { "/etc/systemd", "/run/systemd", "/usr/local/lib/systemd",
        "/usr/lib/systemd" };

gboolean
fcctl_logind_runs (void)
{
  return g_file_test ("/run/systemd/users", G_FILE_TEST_IS_DIR);
}

/* What is empty, or no truth value, leaves the default: yes. */
static gboolean
is_false (const gchar *text)
{
  static const gchar *const words[]
      = { "0", "no", "n", "false", "f", "off", NULL };
  g_autofree gchar *word = g_ascii_strdown (text, -1);

  return g_strv_contains (words, word);
}

/* The key in one of systemd's files: TRUE with *VALUE where it is set. */
static gboolean
read_key (const gchar *path, gboolean *value)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;
  gboolean in_section = FALSE, found = FALSE;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      const gchar *line = g_strstrip (lines[i]);
      g_auto (GStrv) parts = NULL;

      if (line[0] == '[')
        in_section = g_str_equal (line, "[Login]");
      if (!in_section || !g_str_has_prefix (line, "RemoveIPC"))
        continue;
      parts = g_strsplit (line, "=", 2);
      if (parts[1] == NULL || !g_str_equal (g_strchomp (parts[0]), "RemoveIPC"))
        continue;
      found = TRUE;
      *value = !is_false (g_strstrip (parts[1]));
    }
  return found;
}

/* The drop-ins of all folders, by name; each only once. */
static GList *
list_drop_ins (GHashTable *paths)
{
  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree gchar *folder
          = g_build_filename (folders[i], "logind.conf.d", NULL);
      g_autoptr (GDir) stream = g_dir_open (folder, 0, NULL);
      const gchar *name;

      while (stream != NULL && (name = g_dir_read_name (stream)) != NULL)
        if (g_str_has_suffix (name, ".conf")
            && !g_hash_table_contains (paths, name))
          g_hash_table_insert (paths, g_strdup (name),
                               g_build_filename (folder, name, NULL));
    }
  return g_list_sort (g_hash_table_get_keys (paths), (GCompareFunc) strcmp);
}

gboolean
fcctl_logind_removes_ipc (gchar **file)
{
  g_autoptr (GHashTable) paths
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GList) names = list_drop_ins (paths);
  gboolean value = TRUE;

  *file = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree gchar *path
          = g_build_filename (folders[i], "logind.conf", NULL);

      if (!g_file_test (path, G_FILE_TEST_EXISTS))
        continue;
      if (read_key (path, &value))
        *file = g_steal_pointer (&path);
      break;
    }
  for (const GList *name = names; name != NULL; name = name->next)
    {
      const gchar *path = g_hash_table_lookup (paths, name->data);

      if (!read_key (path, &value))
        continue;
      g_free (*file);
      *file = g_strdup (path);
    }
  return value;
}

gboolean
fcctl_logind_removes_from (guint uid)
{
  const struct passwd *user = getpwuid (uid);
  g_autofree gchar *linger = NULL;

  if (uid < USER_FIRST || (uid >= DYNAMIC_FIRST && uid <= DYNAMIC_LAST))
    return FALSE;
  if (user == NULL)
    return TRUE;
  linger = g_build_filename ("/var/lib/systemd/linger", user->pw_name, NULL);
  return !g_file_test (linger, G_FILE_TEST_EXISTS);
}
