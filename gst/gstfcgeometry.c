/* framecache: how large a ring its caps ask for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/video/video.h>

#include "fc.h"
#include "gstfccommon.h"
#include "gstfcgeometry.h"

#define PAGE 4096u
#define DEPTH_DEFAULT 120u
#define DEPTH_MIN 8u
#define DEPTH_BYTES (G_GUINT64_CONSTANT (256) << 20)
/* A frame of anything but sound is guessed at 1 MiB. Sound comes in small
 * pieces: 64 KiB, or a fifth of a second of many channels. */
#define GUESS (1u << 20)
#define GUESS_SOUND (64u << 10)
/* What caps make of frames with more bytes is nonsense. */
#define SIZE_MAX_OF_CAPS (G_GUINT64_CONSTANT (1) << 40)

static guint64
round_to_page (guint64 size)
{
  return (size + PAGE - 1) / PAGE * PAGE;
}

static guint64
guess_sound (const GstStructure *s)
{
  gint rate = 0, channels = 0;
  guint64 fifth;

  gst_structure_get_int (s, "rate", &rate);
  gst_structure_get_int (s, "channels", &channels);
  if (rate <= 0 || channels <= 0)
    return GUESS_SOUND;
  fifth = (guint64) rate * channels * sizeof (gdouble) / 5;
  return CLAMP (round_to_page (fifth), GUESS_SOUND, GUESS);
}

guint64
gst_fc_frame_size (const GstCaps *caps, guint64 wished)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  GstVideoInfo info;

  if (gst_structure_has_name (s, "video/x-raw")
      && gst_video_info_from_caps (&info, caps) && info.width > 0
      && info.height > 0 && info.size > 0 && info.size <= SIZE_MAX_OF_CAPS)
    return MAX (info.size, wished);
  if (wished > 0)
    return wished;
  if (g_str_has_prefix (gst_structure_get_name (s), "audio/"))
    return guess_sound (s);
  return GUESS;
}

/* Twice as large at least: a stream whose frames grow little by little does
 * not make a generation of each. */
guint64
gst_fc_grown_frame_size (guint64 current, guint64 size)
{
  return round_to_page (MAX (2 * current, size + size / 4));
}

guint
gst_fc_ring_depth (const GstCaps *caps, guint wished, guint64 history,
                   guint64 frame_size)
{
  gint num, denom;
  guint64 depth;

  /* Not by a frame's duration, which is rounded to nanoseconds. */
  if (history > 0 && gst_fc_caps_framerate (caps, &num, &denom))
    {
      depth = gst_util_uint64_scale_ceil (history, (guint64) num,
                                          GST_SECOND * (guint64) denom);
      return (guint) CLAMP (depth, 2, FC_CELLS_MAX);
    }
  if (wished > 0)
    return wished;
  depth = DEPTH_BYTES / MAX (round_to_page (frame_size), PAGE);
  return (guint) CLAMP (depth, DEPTH_MIN, DEPTH_DEFAULT);
}
