/* framecache: whole pipelines in tests, and what passes through them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-gst-line.h"

static void
see_times (FctSeen *seen, GstPad *pad)
{
  GstEvent *event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;
  GstClockTime running = 0;
  gint sign;

  if (event == NULL)
    return;
  gst_event_parse_segment (event, &segment);
  sign = gst_segment_to_running_time_full (segment, GST_FORMAT_TIME, seen->pts,
                                           &running);
  seen->running = sign * (GstClockTimeDiff) running;
  sign = gst_segment_to_running_time_full (
      segment, GST_FORMAT_TIME, seen->pts + seen->duration, &running);
  seen->running_end = sign * (GstClockTimeDiff) running;
  seen->rate = segment->rate;
  seen->applied_rate = segment->applied_rate;
  gst_event_unref (event);
}

static gboolean
is_writer (FctLine *self)
{
  return g_str_equal (G_OBJECT_TYPE_NAME (self->end), "GstFcSink");
}

static GstPadProbeReturn
see (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  FctLine *self = user_data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstClockTime base = gst_element_get_base_time (self->end);
  GstClock *clock = gst_element_get_clock (self->end);
  FctSeen seen = { 0 };

  if (is_writer (self))
    {
      buffer = gst_buffer_make_writable (buffer);
      GST_BUFFER_OFFSET (buffer) = self->seen->len;
      info->data = buffer;
    }
  seen.number = GST_BUFFER_OFFSET (buffer);
  seen.pts = GST_BUFFER_PTS (buffer);
  seen.duration = GST_BUFFER_DURATION (buffer);
  seen.discont = GST_BUFFER_IS_DISCONT (buffer);
  see_times (&seen, pad);
  seen.absolute = seen.running + (GstClockTimeDiff) base;
  if (clock != NULL)
    {
      seen.now = GST_CLOCK_DIFF (base, gst_clock_get_time (clock));
      gst_object_unref (clock);
    }
  g_mutex_lock (&self->lock);
  g_array_append_val (self->seen, seen);
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_OK;
}

static void
recalculate (GstElement *pipeline, gpointer user_data)
{
  gst_bin_recalculate_latency (GST_BIN (pipeline));
}

/* As any application does on a LATENCY message, and like there not on the
 * thread that posts it. */
static GstBusSyncReply
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY)
    gst_element_call_async (user_data, recalculate, NULL, NULL);
  return GST_BUS_PASS;
}

static void
look_at (FctLine *self, const gchar *name, const gchar *pad)
{
  GstPad *p;

  self->end = gst_bin_get_by_name (GST_BIN (self->pipeline), name);
  g_assert_nonnull (self->end);
  g_mutex_init (&self->lock);
  self->seen = g_array_new (FALSE, FALSE, sizeof (FctSeen));
  p = gst_element_get_static_pad (self->end, pad);
  gst_pad_add_probe (p, GST_PAD_PROBE_TYPE_BUFFER, see, self, NULL);
  gst_object_unref (p);
}

void
fct_line_make (FctLine *self, const gchar *text, const gchar *pad,
               GstClock *clock)
{
  GError *error = NULL;
  GstBus *bus;

  self->pipeline = gst_parse_launch (text, &error);
  g_assert_no_error (error);
  look_at (self, "end", pad);
  if (clock != NULL)
    gst_pipeline_use_clock (GST_PIPELINE (self->pipeline), clock);
  bus = gst_element_get_bus (self->pipeline);
  gst_bus_set_sync_handler (bus, on_message, self->pipeline, NULL);
  gst_object_unref (bus);
}

void
fct_line_start (FctLine *self, const gchar *text, const gchar *pad,
                GstClock *clock)
{
  fct_line_make (self, text, pad, clock);
  fct_line_set (self, GST_STATE_PLAYING);
}

void
fct_line_also (FctLine *self, FctLine *of, const gchar *name, const gchar *pad)
{
  self->pipeline = gst_object_ref (of->pipeline);
  look_at (self, name, pad);
}

void
fct_line_set (FctLine *self, GstState state)
{
  fail_unless (gst_element_set_state (self->pipeline, state)
               != GST_STATE_CHANGE_FAILURE);
}

void
fct_line_stop (FctLine *self)
{
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_object_unref (self->end);
  gst_object_unref (self->pipeline);
  g_array_unref (self->seen);
  g_mutex_clear (&self->lock);
}

guint
fct_line_count (FctLine *self)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = self->seen->len;
  g_mutex_unlock (&self->lock);
  return n;
}

FctSeen
fct_line_nth (FctLine *self, guint n)
{
  FctSeen seen;

  g_mutex_lock (&self->lock);
  g_assert_cmpuint (n, <, self->seen->len);
  seen = g_array_index (self->seen, FctSeen, n);
  g_mutex_unlock (&self->lock);
  return seen;
}

static gboolean
look_for (FctLine *self, guint64 number, FctSeen *found)
{
  gboolean there = FALSE;
  guint i;

  g_mutex_lock (&self->lock);
  for (i = 0; i < self->seen->len && !there; i++)
    {
      *found = g_array_index (self->seen, FctSeen, i);
      there = found->number == number;
    }
  g_mutex_unlock (&self->lock);
  return there;
}

FctSeen
fct_line_find (FctLine *self, guint64 number)
{
  FctSeen found;

  FCT_WAIT (look_for (self, number, &found));
  return found;
}

GstClockTimeDiff
fct_line_shift (FctLine *writer, const FctSeen *seen)
{
  return seen->absolute - fct_line_find (writer, seen->number).absolute;
}
