/* The sticky block that a writer left in its slot: the stream's id, segment and
 * tags.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/gst.h>
#include <stdlib.h>

#include "fc.h"
#include "fuzz.h"
#include "gstfcsticky.h"

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  gst_init (NULL, NULL);
  gst_debug_set_active (FALSE);
  return 0;
}

/* What was understood is understood again after it was written. */
static void
check (const GstFcSticky *sticky)
{
  GstFcSticky again = { 0 };
  g_autofree gchar *left_out = NULL;
  GString *block = gst_fc_sticky_serialize (sticky, &left_out);

  if (block->len > FC_STICKY_MAX
      || !gst_fc_sticky_parse (&again, block->str, block->len))
    abort ();
  g_string_free (block, TRUE);
  gst_fc_sticky_clear (&again);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  GstFcSticky sticky = { 0 };

  if (gst_fc_sticky_parse (&sticky, (const gchar *) data, size))
    check (&sticky);
  gst_fc_sticky_clear (&sticky);
  return 0;
}
