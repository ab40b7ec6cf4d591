/* framecache: fcctl, the command that people type
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <locale.h>
#include <string.h>

#include "fcctl.h"

typedef struct
{
  const gchar *name;
  FcctlFunc func;
  const gchar *summary;
} Command;

static const Command commands[] = {
  { "list", fcctl_list, "the slots and what is in them" },
  { "show", fcctl_show, "one slot, and who reads it" },
  { "top", fcctl_top, "all slots and their consumers, live" },
  { "watch", fcctl_watch, "one slot, as a consumer of it" },
  { "snapshot", fcctl_snapshot, "the newest picture, as PNG or JPEG" },
  { "dump", fcctl_dump, "the newest frame's bytes" },
  { "create", fcctl_create, "reserve a slot" },
  { "rm", fcctl_rm, "take slots away" },
  { "plan", fcctl_plan, "how much memory slots take, and whether they fit" },
  { "gc", fcctl_gc, "collect what crashes left" },
  { "doctor", fcctl_doctor, "what stands in the way, and what to do" },
  { "health", fcctl_health, "an exit code that says whether slots are alive" },
  { "metrics", fcctl_metrics, "Prometheus' text format" },
};

/* How many letters it takes to make B of A: typed, left out, changed, or
 * swapped with the next one. */
static guint
distance (const gchar *a, const gchar *b)
{
  enum
  {
    MAX = 32
  };
  guint d[MAX][MAX];
  gsize m = strlen (a), n = strlen (b);

  if (m >= MAX || n >= MAX)
    return G_MAXUINT;
  for (gsize i = 0; i <= m; i++)
    for (gsize j = 0; j <= n; j++)
      {
        if (i == 0 || j == 0)
          {
            d[i][j] = (guint) (i + j);
            continue;
          }
        d[i][j] = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
        d[i][j] = MIN (d[i][j], MIN (d[i - 1][j], d[i][j - 1]) + 1);
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
          d[i][j] = MIN (d[i][j], d[i - 2][j - 2] + 1);
      }
  return d[m][n];
}

static const Command *
find (const gchar *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i].name, name))
      return &commands[i];
  return NULL;
}

static int
unknown (const gchar *name)
{
  const Command *near = NULL;
  guint least = MAX (1, MIN (2, (guint) strlen (name) / 2)) + 1;

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      guint d = distance (name, commands[i].name);

      if (d < least)
        {
          least = d;
          near = &commands[i];
        }
    }
  if (near != NULL)
    fcctl_say ("there is no command \"%s\"; did you mean \"%s\"? "
               "fcctl --help lists them",
               name, near->name);
  else
    fcctl_say ("there is no command \"%s\"; fcctl --help lists them", name);
  return FCCTL_USAGE;
}

static gchar *
describe (void)
{
  GString *text = g_string_new ("Commands:\n");

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    g_string_append_printf (text, "  %-10s %s\n", commands[i].name,
                            commands[i].summary);
  g_string_append (
      text, "\nfcctl COMMAND --help, or fcctl help COMMAND, says more of "
            "one.\n\n"
            "Exit codes:\n"
            "  0  done\n"
            "  1  failed, and said why\n"
            "  2  the command line will not do\n"
            "  3  there is no such slot\n"
            "  4  health: not healthy; plan: does not fit; doctor: a fault");
  return g_string_free (text, FALSE);
}

/* "help COMMAND" as "COMMAND --help", where that is what was typed. */
static void
turn_help (int *argc, char **argv)
{
  static gchar option[] = "--help";

  if (*argc < 2 || !g_str_equal (argv[1], "help"))
    return;
  *argc = MIN (*argc, 3);
  argv[1] = argv[*argc - 1];
  argv[*argc - 1] = option;
}

/* What the command printed has to have got where it was to go. */
static int
finish (int code)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return code;
  return fcctl_say ("can not write to standard output: %s", g_strerror (errno));
}

int
main (int argc, char **argv)
{
  g_autofree gchar *description = describe ();
  gboolean version = FALSE;
  const GOptionEntry entries[]
      = { { "version", 'V', 0, G_OPTION_ARG_NONE, &version,
            "Print the version and end", NULL },
          { 0 } };
  const Command *command;

  setlocale (LC_ALL, "");
  /* Numbers are read by programs too. */
  setlocale (LC_NUMERIC, "C");
  g_set_prgname ("fcctl");
  turn_help (&argc, argv);
  if (!fcctl_parse_globals (&argc, &argv, entries, description))
    return FCCTL_USAGE;
  if (version)
    {
      printf ("fcctl %s\n", fc_version ());
      return finish (FCCTL_OK);
    }
  if (argc < 2)
    {
      fcctl_say ("which command? fcctl --help lists them");
      return FCCTL_USAGE;
    }
  command = find (argv[1]);
  if (command == NULL)
    return unknown (argv[1]);
  return finish (command->func (argc - 1, argv + 1));
}
