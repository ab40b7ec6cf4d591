/* framecache: which frames decoding can start at, and who asked for one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A key start is the first of the buffers that a decoder needs to begin: the
 * parameter sets and every slice of a picture that refers to no other come as
 * a run of buffers, and only the first of them is FC_FRAME_KEY.
 *
 * Where every buffer can be decoded by itself (raw video, JPEG, sound) every
 * buffer is a key start, so that the newest key frame is the newest frame, and
 * a reader need not know whether a format has delta units.
 */
#include <gst/video/video.h>

#include "gstfcsink-private.h"

#define GST_CAT_DEFAULT gst_fc_sink_debug

/* At most one key frame in this time is asked of upstream. */
#define ASK_EVERY (GST_SECOND / 2)

typedef enum
{
  UNIT_DELTA,   /* needs what came before */
  UNIT_PICTURE, /* does not */
  UNIT_HEADER,  /* what one needs to decode a picture */
  UNIT_NEITHER  /* belongs to whatever comes next */
} Unit;

static gboolean
has_headers (const GstStructure *s)
{
  return gst_structure_has_field (s, "streamheader")
         || gst_structure_has_field (s, "codec_data");
}

/* How many bytes say how long a NAL unit is, by the codec_data. */
static guint
length_size (const GstStructure *s, gboolean is_h265)
{
  const GValue *value = gst_structure_get_value (s, "codec_data");
  guint8 byte = 3;

  if (value != NULL && GST_VALUE_HOLDS_BUFFER (value))
    gst_buffer_extract (gst_value_get_buffer (value), is_h265 ? 21 : 4, &byte,
                        1);
  return (byte & 3) + 1;
}

void
gst_fc_sink_key_set_caps (GstFcSinkKey *self, const GstCaps *caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  gboolean is_h264 = gst_structure_has_name (s, "video/x-h264");

  self->is_h265 = gst_structure_has_name (s, "video/x-h265");
  self->headers_in_caps = has_headers (s);
  self->start_codes
      = g_strcmp0 (gst_structure_get_string (s, "stream-format"), "byte-stream")
        == 0;
  self->nal_header = 0;
  if ((is_h264 || self->is_h265)
      && g_strcmp0 (gst_structure_get_string (s, "alignment"), "nal") == 0)
    self->nal_header = self->start_codes ? 4 : length_size (s, self->is_h265);
  self->seen_delta = self->in_run = self->timed = FALSE;
}

/* Units --------------------------------------------------------------- */

static Unit
h264_unit (guint8 byte, gboolean is_delta)
{
  switch (byte & 0x1f)
    {
    case 1 ... 5:
      return is_delta ? UNIT_DELTA : UNIT_PICTURE;
    case 7:  /* sequence parameter set */
    case 15: /* its subset */
      return UNIT_HEADER;
    default:
      return UNIT_NEITHER;
    }
}

static Unit
h265_unit (guint8 byte, gboolean is_delta)
{
  switch (byte >> 1 & 0x3f)
    {
    case 0 ... 31:
      return is_delta ? UNIT_DELTA : UNIT_PICTURE;
    case 32: /* video parameter set */
    case 33: /* sequence parameter set */
      return UNIT_HEADER;
    default:
      return UNIT_NEITHER;
    }
}

/* The flags of single NAL units tell too little: parsers give delimiters no
 * flag at all, in front of delta slices too, and parameter sets DELTA_UNIT. */
static Unit
nal_unit (const GstFcSinkKey *self, GstBuffer *buffer, gboolean is_delta)
{
  guint at = self->nal_header;
  guint8 bytes[5] = { 0 };

  gst_buffer_extract (buffer, 0, bytes, sizeof (bytes));
  if (self->start_codes && bytes[2] == 1)
    at = 3;
  return self->is_h265 ? h265_unit (bytes[at], is_delta)
                       : h264_unit (bytes[at], is_delta);
}

static Unit
classify (const GstFcSinkKey *self, GstBuffer *buffer)
{
  gboolean is_delta
      = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  gboolean is_header = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_HEADER);

  if (self->nal_header > 0)
    return nal_unit (self, buffer, is_delta);
  /* The second header of Theora, or a delta picture with a message before it:
   * no place to begin, but no end of a beginning either. */
  if (is_delta)
    return is_header ? UNIT_NEITHER : UNIT_DELTA;
  return is_header ? UNIT_HEADER : UNIT_PICTURE;
}

/* Runs ---------------------------------------------------------------- */

/* Whether a header or a picture belongs to the same start as those before it.
 * Pictures of a stream of nothing but such follow one another directly: each
 * is one of its own until a delta unit was seen, and then their times tell
 * them apart, or the mark at the end of each. Parsers put parameter sets
 * without a time in front of every slice. */
static gboolean
goes_on (const GstFcSinkKey *self, GstBuffer *buffer, Unit unit)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer);

  if (!self->in_run)
    return FALSE;
  if (unit == UNIT_PICTURE && self->run_has_picture && !self->seen_delta
      && self->nal_header == 0)
    return FALSE;
  if (self->run_has_picture && GST_BUFFER_IS_DISCONT (buffer))
    return FALSE;
  return !GST_CLOCK_TIME_IS_VALID (pts)
         || !GST_CLOCK_TIME_IS_VALID (self->run_pts) || pts == self->run_pts;
}

static gboolean
is_key_start (GstFcSinkKey *self, GstBuffer *buffer)
{
  Unit unit = classify (self, buffer);
  gboolean starts;

  self->seen_delta
      |= GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if (unit == UNIT_NEITHER)
    return FALSE;
  if (unit == UNIT_DELTA)
    {
      self->in_run = FALSE;
      return FALSE;
    }
  starts = !goes_on (self, buffer, unit);
  if (starts)
    {
      self->run_pts = GST_CLOCK_TIME_NONE;
      self->run_has_picture = FALSE;
    }
  if (!GST_CLOCK_TIME_IS_VALID (self->run_pts))
    self->run_pts = GST_BUFFER_PTS (buffer);
  self->run_has_picture |= unit == UNIT_PICTURE;
  self->in_run = !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_MARKER);
  return starts;
}

/* Requests ------------------------------------------------------------ */

/* By the stream's time, for it is the stream's bits that key frames cost;
 * where it has none, by the time that passes. */
static gboolean
may_ask (GstFcSinkKey *self, const fc_info_t *info)
{
  GstClockTime now = info->running_time;

  if (GST_CLOCK_TIME_IS_VALID (now))
    self->timed = TRUE;
  else if (self->timed)
    return FALSE;
  else
    now = gst_fc_monotonic ();
  if (self->count > 0
      && MAX (now, self->last) - MIN (now, self->last) < ASK_EVERY)
    return FALSE;
  self->last = now;
  return TRUE;
}

void
gst_fc_sink_key_frame (GstFcSinkKey *self, fc_writer_t *writer, GstPad *pad,
                       GstBuffer *buffer, fc_info_t *info)
{
  GstEvent *event;

  if (is_key_start (self, buffer))
    info->flags |= FC_FRAME_KEY;
  /* Before the first delta unit any frame is what was asked for. */
  if (!self->seen_delta)
    return;
  if (fc_writer_key_frame_requested (writer) > 0)
    self->wanted = TRUE;
  if (!self->wanted)
    return;
  /* Whoever asked up to now will see this frame; whether it is enough to
   * begin with is a matter of its headers. */
  if ((info->flags & FC_FRAME_KEY)
      && (self->headers_in_caps || (info->flags & FC_FRAME_HEADER)))
    {
      self->wanted = FALSE;
      return;
    }
  if (!may_ask (self, info))
    return;
  self->wanted = FALSE;
  GST_INFO_OBJECT (pad, "a key frame is asked for");
  event = gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE,
                                                       TRUE, self->count++);
  if (!gst_pad_push_event (pad, event))
    GST_INFO_OBJECT (pad, "upstream does not make key frames when asked");
}
