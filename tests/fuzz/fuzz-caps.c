/* A slot's format, which fcsrc makes caps of; and any caps, for all that the
 * elements work out from them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/gst.h>
#include <stdlib.h>

#include "fuzz.h"
#include "gstfccommon.h"
#include "gstfcgeometry.h"
#include "gstfcmeta.h"
#include "gstfcsinkkey.h"

static GstElement *element;

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  gst_init (NULL, NULL);
  gst_debug_set_active (FALSE);
  element = gst_object_ref_sink (gst_bin_new ("fuzz"));
  return 0;
}

static void
check_geometry (const GstCaps *caps)
{
  guint64 size = gst_fc_frame_size (caps, 0);
  guint depth = gst_fc_ring_depth (caps, 0, 10 * GST_SECOND, size);

  if (size == 0 || gst_fc_frame_size (caps, size + 1) < size
      || gst_fc_grown_frame_size (size, size + 1) <= size)
    abort ();
  if (depth < 2 || depth > FC_CELLS_MAX)
    abort ();
  (void) gst_fc_ring_depth (caps, 0, 0, size);
}

static void
use (const GstCaps *caps)
{
  g_autofree GstFcMetaReader *reader = g_new0 (GstFcMetaReader, 1);
  g_autofree GstFcMetaWriter *writer = g_new0 (GstFcMetaWriter, 1);
  GstFcSinkKey key = { 0 };

  check_geometry (caps);
  gst_fc_meta_reader_init (reader, element);
  gst_fc_meta_reader_set_caps (reader, caps);
  gst_fc_meta_writer_init (writer, element);
  gst_fc_meta_writer_set_caps (writer, caps);
  gst_fc_meta_writer_reset (writer);
  gst_fc_sink_key_set_caps (&key, caps);
  /* A buffer's first five bytes are looked at. */
  if (key.nal_header > 4)
    abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  GstCaps *caps = gst_fc_caps_from_format (data, size);

  if (caps == NULL)
    return 0;
  if (!gst_caps_is_fixed (caps))
    abort ();
  use (caps);
  gst_caps_unref (caps);
  return 0;
}
