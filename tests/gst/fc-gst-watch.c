/* framecache: what a consumer of a changing slot must see, watched on a pad
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/video/video.h>

#include "fc-gst-watch.h"

static void wrong (FctWatch *self, const gchar *format, ...)
    G_GNUC_PRINTF (2, 3);

static void
wrong (FctWatch *self, const gchar *format, ...)
{
  va_list args;

  if (self->wrong != NULL)
    return;
  va_start (args, format);
  self->wrong = g_strdup_vprintf (format, args);
  va_end (args);
}

static void
watch_caps (FctWatch *self, GstEvent *event)
{
  GstVideoInfo info;
  GstCaps *caps;
  gsize size = 0;

  gst_event_parse_caps (event, &caps);
  if (!self->stream_start)
    wrong (self, "caps before stream-start");
  if (gst_structure_has_name (gst_caps_get_structure (caps, 0), "video/x-raw")
      && gst_video_info_from_caps (&info, caps))
    size = GST_VIDEO_INFO_SIZE (&info);
  self->caps = TRUE;
  self->frame_size = size;
  /* The same ones again come with a new stream, and after relinking. */
  if (self->in_force != NULL && gst_caps_is_equal (self->in_force, caps))
    return;
  gst_caps_replace (&self->in_force, caps);
  self->changed = !self->late;
  self->caps_changes++;
}

static void
watch_event (FctWatch *self, GstEvent *event)
{
  switch (GST_EVENT_TYPE (event))
    {
    case GST_EVENT_STREAM_START:
      self->stream_start = TRUE;
      self->caps = self->segment = self->ended = FALSE;
      self->stream_starts++;
      break;
    case GST_EVENT_CAPS:
      watch_caps (self, event);
      break;
    case GST_EVENT_SEGMENT:
      if (!self->caps)
        wrong (self, "segment before caps");
      self->segment = TRUE;
      break;
    case GST_EVENT_GAP:
      if (!self->segment)
        wrong (self, "gap before segment");
      self->gaps++;
      break;
    case GST_EVENT_EOS:
      self->eos++;
      self->ended = TRUE;
      break;
    default:
      break;
    }
}

static void
watch_buffer (FctWatch *self, GstBuffer *buffer)
{
  gboolean discont = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  guint64 number = self->unnumbered ? self->next : GST_BUFFER_OFFSET (buffer);

  if (!self->stream_start || !self->caps || !self->segment)
    wrong (self, "buffer %" G_GUINT64_FORMAT " before %s", number,
           !self->stream_start ? "stream-start"
           : !self->caps       ? "caps"
                               : "segment");
  if (self->ended)
    wrong (self, "buffer %" G_GUINT64_FORMAT " after EOS", number);
  if (self->frame_size != 0 && gst_buffer_get_size (buffer) != self->frame_size)
    wrong (self,
           "buffer %" G_GUINT64_FORMAT " has %" G_GSIZE_FORMAT " bytes,"
           " its caps say %" G_GSIZE_FORMAT,
           number, gst_buffer_get_size (buffer), self->frame_size);
  if ((self->changed || number != self->next) && !discont)
    wrong (self, "buffer %" G_GUINT64_FORMAT " is not DISCONT, after %s",
           number, self->changed ? "caps" : "a loss");
  if (number > self->next)
    self->missing += number - self->next;
  if (number < self->next)
    wrong (self,
           "buffer %" G_GUINT64_FORMAT " came, %" G_GUINT64_FORMAT " was due",
           number, self->next);
  self->next = number + 1;
  self->changed = FALSE;
  self->disconts += discont;
  self->buffers++;
}

static GstPadProbeReturn
watch_all (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  FctWatch *self = user_data;

  g_mutex_lock (&self->lock);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    watch_buffer (self, GST_PAD_PROBE_INFO_BUFFER (info));
  else
    watch_event (self, GST_PAD_PROBE_INFO_EVENT (info));
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_OK;
}

FctWatch *
fct_watch_new (GstElement *element, const gchar *pad)
{
  FctWatch *self = g_new0 (FctWatch, 1);

  g_mutex_init (&self->lock);
  self->pad = gst_element_get_static_pad (element, pad);
  self->probe = gst_pad_add_probe (self->pad,
                                   GST_PAD_PROBE_TYPE_BUFFER
                                       | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
                                   watch_all, self, NULL);
  return self;
}

void
fct_watch_check (FctWatch *self)
{
  gchar *text;

  g_mutex_lock (&self->lock);
  text = g_strdup (self->wrong);
  g_mutex_unlock (&self->lock);
  fail_unless (text == NULL, "%s", text);
}

void
fct_watch_free (FctWatch *self)
{
  fct_watch_check (self);
  gst_pad_remove_probe (self->pad, self->probe);
  gst_object_unref (self->pad);
  gst_clear_caps (&self->in_force);
  g_mutex_clear (&self->lock);
  g_free (self);
}

guint64
fct_watch_get (FctWatch *self, const guint64 *field)
{
  guint64 value;

  g_mutex_lock (&self->lock);
  value = *field;
  g_mutex_unlock (&self->lock);
  return value;
}

static gboolean
has_come (FctWatch *self, guint64 n)
{
  gboolean come;

  fct_watch_check (self);
  g_mutex_lock (&self->lock);
  come = self->buffers + self->missing >= n;
  g_mutex_unlock (&self->lock);
  return come;
}

void
fct_watch_await (FctWatch *self, guint64 n)
{
  FCT_WAIT (has_come (self, n));
}

void
fct_watch_expect (FctWatch *self, guint64 n)
{
  g_mutex_lock (&self->lock);
  self->next = n;
  self->changed = TRUE;
  g_mutex_unlock (&self->lock);
}
