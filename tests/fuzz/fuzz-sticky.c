/* What goes with a stream: the sticky block that a writer left in its slot, and
 * the slot's format, as caps.
 *
 * The input is one of both, by its first byte.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/gst.h>

#include "fuzz.h"
#include "gstfccommon.h"
#include "gstfcsticky.h"

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  gst_init (NULL, NULL);
  gst_debug_set_active (FALSE);
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_t in = { data, size };
  GstFcSticky sticky = { 0 };
  g_autofree gchar *text = NULL;

  if (fuzz_byte (&in) % 2 == 0)
    {
      if (gst_fc_sticky_parse (&sticky, (const gchar *) in.data, in.size))
        {
          g_autofree gchar *left_out = NULL;

          g_string_free (gst_fc_sticky_serialize (&sticky, &left_out), TRUE);
        }
      gst_fc_sticky_clear (&sticky);
      return 0;
    }
  text = g_strndup ((const gchar *) in.data, in.size);
  gst_clear_caps (
      &(GstCaps *){ gst_fc_caps_from_format (text, strlen (text)) });
  return 0;
}
