/* fcctl plan's command line: an argument on each line.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>

#include "fcctl.h"
#include "fuzz.h"

#define ARGUMENTS_MAX 16

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  g_setenv ("FC_DIR", "/dev/shm", TRUE);
  return 0;
}

/* --help ends the process, --color's word is kept until its end, and -d would
 * have other folders looked at. */
static gboolean
is_left_out (const gchar *argument)
{
  if (g_str_has_prefix (argument, "--"))
    return g_str_has_prefix (argument, "--help")
           || g_str_has_prefix (argument, "--color")
           || g_str_has_prefix (argument, "--d");
  return argument[0] == '-' && strpbrk (argument, "hd") != NULL;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree gchar *text = g_strndup ((const gchar *) data, size);
  g_auto (GStrv) lines = g_strsplit (text, "\n", ARGUMENTS_MAX);
  gchar name[] = "plan";
  gchar *arguments[ARGUMENTS_MAX + 2] = { name };
  int count = 1, code;

  for (guint i = 0; lines[i] != NULL; i++)
    if (!is_left_out (lines[i]))
      arguments[count++] = lines[i];
  fcctl_json = FALSE;
  code = fcctl_plan (count, arguments);
  if (code < FCCTL_OK || code > FCCTL_PROBLEMS)
    abort ();
  return 0;
}
