/* What other processes wrote and fcctl shows: a format, a consumer's name.
 *
 * The input is a byte that says how many columns there are, and the text.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>
#include <stdlib.h>

#include "fcctl.h"
#include "fuzz.h"

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  return 0;
}

/* Nothing in it moves, hides or turns what a terminal shows. */
static void
check_plain (const gchar *text)
{
  if (!g_utf8_validate (text, -1, NULL))
    abort ();
  for (; *text != '\0'; text = g_utf8_next_char (text))
    if (!g_unichar_isprint (g_utf8_get_char (text)))
      abort ();
}

static void
check_cut (const gchar *text, guint width)
{
  g_autofree gchar *cut = fcctl_cut (text, width);

  check_plain (cut);
  if (fcctl_columns (cut) > MAX (width, 1))
    abort ();
}

static void
read_caps (const gchar *text)
{
  gdouble rate = fcctl_caps_rate (text);

  g_free (fcctl_caps_type (text));
  g_free (fcctl_caps_field (text, "format"));
  g_free (fcctl_caps_short (text));
  g_free (fcctl_caps_size (text));
  if (!isfinite (rate) || rate < 0)
    abort ();
}

static void
write_json (const gchar *text)
{
  JsonBuilder *json = json_builder_begin_object (json_builder_new ());
  g_autofree gchar *line = NULL;

  fcctl_json_string (json, "text", text);
  line = fcctl_json_line (json_builder_end_object (json));
  if (!g_utf8_validate (line, -1, NULL))
    abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_t in = { data, size };
  guint width = fuzz_byte (&in);
  g_autofree gchar *escaped = fcctl_escape (in.data, in.size);
  g_autofree gchar *text = g_strndup ((const gchar *) in.data, in.size);

  check_plain (escaped);
  check_cut (escaped, width);
  read_caps (text);
  write_json (text);
  return 0;
}
