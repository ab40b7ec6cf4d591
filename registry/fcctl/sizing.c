/* framecache: how large a slot is to be, as fcctl's plan and create take it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sizing.h"

static gboolean
take_number (const gchar *option, gint given, guint *number)
{
  if (given == -1)
    return TRUE;
  if (given < 1)
    {
      fcctl_say ("%s is %d; it has to be 1 or more", option, given);
      return FALSE;
    }
  *number = (guint) given;
  return TRUE;
}

gboolean
fcctl_sizing_take (const FcctlSizing *sizing, char **words, FcrSizes *sizes)
{
  g_autoptr (GError) error = NULL;

  for (; *words != NULL; words++)
    if (!fcr_sizes_parse_word (sizes, *words, &error))
      {
        fcctl_say ("%s", error->message);
        return FALSE;
      }
  sizes->format = g_strdup (sizing->format);
  return take_number ("--max-consumers", sizing->max_consumers,
                      &sizes->max_consumers)
         && take_number ("--leases", sizing->leases, &sizes->leases)
         && take_number ("--writer-cells", sizing->writer_cells,
                         &sizes->writer_cells);
}

void
fcctl_sizing_clear (FcctlSizing *sizing)
{
  g_clear_pointer (&sizing->format, g_free);
}

int
fcctl_sizing_plan (const FcrSizes *sizes, fc_writer_options_t *options,
                   fc_plan_t *plan)
{
  g_autoptr (GError) error = NULL;
  fc_writer_options_t planned;
  int r, code = FCCTL_OK;

  if (!fcr_sizes_resolve (sizes, options, &error))
    {
      fcctl_say ("%s", error->message);
      return FCCTL_USAGE;
    }
  options->dir = fcctl_directory;
  planned = *options;
  if (planned.format == NULL)
    planned.format_size = FC_FORMAT_MAX;
  plan->struct_size = sizeof *plan;
  r = fc_plan (&planned, plan);
  if (r < 0)
    code = fcctl_fail (r);
  /* What is not there is the directory. */
  return code == FCCTL_NO_SLOT ? FCCTL_FAILED : code;
}
