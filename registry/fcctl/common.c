/* framecache: fcctl's options, and what it says when things fail
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fcctl.h"

gchar *fcctl_directory;
gboolean fcctl_json;
gboolean fcctl_color;

/* Options ------------------------------------------------------------------ */

static gboolean help;
static gchar *color;

static const GOptionEntry common_entries[]
    = { { "directory", 'd', 0, G_OPTION_ARG_FILENAME, &fcctl_directory,
          "Slot directory, instead of FC_DIR's or the usual", "DIR" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &fcctl_json, "Print JSON", NULL },
        { "color", 0, 0, G_OPTION_ARG_STRING, &color,
          "Colours: auto (on a terminal), always or never", "WHEN" },
        { "help", 'h', 0, G_OPTION_ARG_NONE, &help, "Print this and end",
          NULL },
        { 0 } };

static gboolean
wants_color (void)
{
  const gchar *term = g_getenv ("TERM");
  const gchar *no = g_getenv ("NO_COLOR");

  return isatty (STDOUT_FILENO) && g_strcmp0 (term, "dumb") != 0
         && (no == NULL || no[0] == '\0');
}

static gboolean
take_color (GError **error)
{
  if (color == NULL || g_str_equal (color, "auto"))
    fcctl_color = wants_color ();
  else if (g_str_equal (color, "always") || g_str_equal (color, "never"))
    fcctl_color = g_str_equal (color, "always");
  else
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "--color is auto, always or never, not \"%s\"", color);
      return FALSE;
    }
  return TRUE;
}

/* GLib's own --help asks the locale for an ellipsis, which most containers'
 * have not. */
static void
print_help (GOptionContext *context)
{
  g_autofree gchar *text = g_option_context_get_help (context, TRUE, NULL);
  g_autoptr (GString) plain = g_string_new (text);

  g_string_replace (plain, "…", "...", 0);
  fputs (plain->str, stdout);
}

static gboolean
parse (GOptionContext *context, int *argc, char ***argv,
       const GOptionEntry *entries)
{
  g_autoptr (GError) error = NULL;

  g_option_context_set_help_enabled (context, FALSE);
  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_main_entries (context, common_entries, NULL);
  if (!g_option_context_parse (context, argc, argv, &error)
      || (!help && !take_color (&error)))
    {
      fcctl_say ("%s; see %s --help", error->message, g_get_prgname ());
      return FALSE;
    }
  if (!help)
    return TRUE;
  print_help (context);
  exit (fflush (stdout) == 0 ? FCCTL_OK : FCCTL_FAILED);
}

gboolean
fcctl_parse_globals (int *argc, char ***argv, const GOptionEntry *entries,
                     const gchar *description)
{
  g_autoptr (GOptionContext) context
      = g_option_context_new ("COMMAND [ARGUMENT...]");

  g_option_context_set_strict_posix (context, TRUE);
  g_option_context_set_summary (
      context, "See, reserve, bound and repair framecache's slots: rings of "
               "frames\nin shared memory.");
  g_option_context_set_description (context, description);
  return parse (context, argc, argv, entries);
}

gboolean
fcctl_parse (int *argc, char ***argv, const GOptionEntry *entries,
             const gchar *arguments, int min, int max, const gchar *summary,
             const gchar *description)
{
  g_autoptr (GOptionContext) context = g_option_context_new (arguments);
  g_autofree gchar *name = g_strdup_printf ("fcctl %s", (*argv)[0]);

  g_set_prgname (name);
  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, description);
  if (!parse (context, argc, argv, entries))
    return FALSE;
  if (*argc - 1 < min)
    fcctl_say ("%s of what? %s %s; see %s --help", (*argv)[0], name, arguments,
               name);
  else if (max >= 0 && *argc - 1 > max)
    fcctl_say ("\"%s\" is one argument too many: %s%s%s; see %s --help",
               (*argv)[max + 1], name, arguments != NULL ? " " : "",
               arguments != NULL ? arguments : "", name);
  else
    return TRUE;
  return FALSE;
}

gboolean
fcctl_take_seconds (const gchar *option, gdouble seconds, uint64_t *ns)
{
  if (seconds >= 0 && seconds <= 1e9)
    {
      *ns = (uint64_t) (seconds * 1e9);
      return TRUE;
    }
  fcctl_say ("%s is a number of seconds from 0 to 1e9, not %g", option,
             seconds);
  return FALSE;
}

guint
fcctl_width (void)
{
  struct winsize size;

  if (!isatty (STDOUT_FILENO) || ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
    return 0;
  return size.ws_col;
}

/* Failing ------------------------------------------------------------------ */

int
fcctl_say (const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  g_autofree gchar *line = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  line = fcctl_escape (text, strlen (text));
  fflush (stdout);
  fprintf (stderr, "fcctl: %s\n", line);
  return FCCTL_FAILED;
}

int
fcctl_fail (int r)
{
  fcctl_say ("%s", fc_error_detail ());
  return r == -ENOENT   ? FCCTL_NO_SLOT
         : r == -EINVAL ? FCCTL_USAGE
                        : FCCTL_FAILED;
}

/* Colours ------------------------------------------------------------------ */

static const gchar *
escape_if (const gchar *sequence)
{
  return fcctl_color ? sequence : "";
}

const gchar *
fcctl_bold (void)
{
  return escape_if ("\033[1m");
}

const gchar *
fcctl_green (void)
{
  return escape_if ("\033[32m");
}

const gchar *
fcctl_yellow (void)
{
  return escape_if ("\033[33m");
}

const gchar *
fcctl_red (void)
{
  return escape_if ("\033[31m");
}

const gchar *
fcctl_dim (void)
{
  return escape_if ("\033[2m");
}

const gchar *
fcctl_plain (void)
{
  return escape_if ("\033[0m");
}

static const gchar *
state_color (const gchar *state)
{
  if (g_str_equal (state, "live"))
    return fcctl_green ();
  if (g_str_equal (state, "stalled"))
    return fcctl_yellow ();
  if (g_str_equal (state, "lost"))
    return fcctl_red ();
  return "";
}

gchar *
fcctl_colored_state (const fc_slot_stat_t *stat)
{
  const gchar *state = fcctl_state (stat);

  return g_strconcat (state_color (state), state, fcctl_plain (), NULL);
}
