/* Sizes as a person types them: words, one after the other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>

#include "fuzz.h"
#include "sizes.h"

static void
check_error (const GError *error)
{
  if (error == NULL || !g_utf8_validate (error->message, -1, NULL)
      || error->message[0] == '\0')
    abort ();
}

/* What libfc is asked for then is for libfc to judge, whatever it is. */
static void
check_options (const fc_writer_options_t *options, const FcrSizes *sizes)
{
  fc_plan_t plan = { .struct_size = sizeof plan };

  if (options->frame_size == 0 || options->ring_depth < 2
      || options->ring_depth > FC_CELLS_MAX)
    abort ();
  if (sizes->pixels != NULL
      && options->frame_size
             < fcr_sizes_picture (sizes->pixels, sizes->width, sizes->height))
    abort ();
  if (fc_plan (options, &plan) == 0
      && plan.bytes_planned / options->frame_size < options->ring_depth)
    abort ();
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree gchar *text = g_strndup ((const gchar *) data, size);
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  FcrSizes sizes = FCR_SIZES_INIT;
  fc_writer_options_t options;
  g_autoptr (GError) error = NULL;
  gboolean good = TRUE;

  for (guint i = 0; good && words[i] != NULL; i++)
    good = fcr_sizes_parse_word (&sizes, words[i], &error);
  if (good && fcr_sizes_resolve (&sizes, &options, &error))
    check_options (&options, &sizes);
  else
    check_error (error);
  fcr_sizes_clear (&sizes);
  return 0;
}
