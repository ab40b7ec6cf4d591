/* framecache: fcsrc, frames out of a slot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
/**
 * SECTION:element-fcsrc
 * @title: fcsrc
 * @see_also: fcsink
 *
 * fcsrc reads a slot that fcsink writes in another process, or in this one.
 * Its caps are the slot's own. It may start before the writer does, and goes
 * on when the writer is started again. What it was too slow for is counted,
 * and told in messages.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 fcsrc slot=cam0 ! videoconvert ! autovideosink
 * ]|
 * See what a camera's process puts into the slot cam0.
 * |[
 * gst-launch-1.0 fcsrc slot=cam0 start=oldest ! fakesink sync=true
 * ]|
 * Begin with the history.
 * |[
 * gst-launch-1.0 fcsrc slot=cam0 start-time=-2000000000 ! fakesink sync=true
 * ]|
 * Begin with what happened two seconds ago.
 * |[
 * gst-launch-1.0 -m fcsrc slot=mic0 on-eos=wait ! audioconvert ! audioresample
 * ! autoaudiosink
 * ]|
 * Wait for the next writer when one finishes; -m shows the messages.
 *
 * ## Formats with delta units
 * Nothing comes out that needs frames which this reader did not take: where it
 * begins, was lapped, was paused, or another writer came, it begins with the
 * next key frame, and asks the writer for one (#GstFcSrc:request-key-frame).
 * start=key-frame and #GstFcSrc:start-time begin at one of the history. What
 * is left out is `skipped` in the statistics. A force-key-unit event from
 * downstream is passed on to the writer, and by fcsink upstream of it.
 *
 * ## Containers
 * A reader in a container or a sandbox needs the slot directory; or else a bus
 * that a framecache registry is on, which hands it the slot's files, as far as
 * the slot lets its user read (#GstFcSrc:attach). That is asked while a slot is
 * waited for, and again after each change of format; frames come without it. It
 * may start after the reader, and be started again at any time.
 *
 * ## URIs
 * Players and uridecodebin open a slot as `fc:///cam0`, or as `fc://cam0` where
 * its name has no capital letters. A query sets properties, as in
 * `fc:///cam0?start=oldest&on-lap=latest`: start, start-time, on-lap, on-eos,
 * on-writer-lost, wait-for-slot, timestamps, memory, request-key-frame, spin
 * and num-buffers; never the directory, nor attach. What a URI does not name
 * gets its default. `preset` stands for several at once; what else the query
 * says goes before it:
 *
 * * live: start=live on-lap=latest
 * * preview: start=key-frame on-eos=wait
 * * recorder: start=oldest on-lap=oldest on-eos=eos
 * * pre-event: start-time=-10000000000 on-lap=oldest on-eos=eos
 * * snapshot: start=key-frame num-buffers=1
 * * analyser: start=key-frame timestamps=stream
 *
 * |[
 * gst-launch-1.0 uridecodebin uri=fc:///cam0?preset=recorder ! videoconvert
 * ! autovideosink
 * ]|
 * Whatever is in the slot, decoded, from its oldest frame on.
 *
 * ## Memory
 * Buffers are the slot's own memory, which is read only, and are copied only
 * when too many are held downstream. Pictures whose lines are wider than
 * their caps tell have a #GstVideoMeta; they are copied into the usual layout
 * where what comes after fcsrc does not say that it understands one.
 *
 * ## Latency
 * Between frames fcsrc sleeps, and a wake-up is most of what a frame's way from
 * the writer to here takes. With #GstFcSrc:spin it looks for the next frame for
 * a while before that; a time longer than a frame's keeps a processor busy
 * without end. A reader that may only observe the slot always sleeps.
 * |[
 * gst-launch-1.0 fcsrc slot=cam0 spin=20000000 ! videoconvert ! fakesink
 * ]|
 * Have each frame as early as can be, for a processor that has nothing else to
 * do.
 *
 * ## Messages
 * Element messages, at most ten a second of each: `fc-dropped` (slot, dropped:
 * frames since the last such message, total, first-seq), `fc-writer-lost`,
 * `fc-writer-back` and `fc-replaced` (slot, times).
 */

#include <string.h>

#include "gstfcsrc-private.h"

GST_DEBUG_CATEGORY (gst_fc_src_debug);
#define GST_CAT_DEFAULT gst_fc_src_debug

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

#define gst_fc_src_parent_class parent_class
G_DEFINE_FINAL_TYPE_WITH_CODE (
    GstFcSrc, gst_fc_src, GST_TYPE_PUSH_SRC,
    G_IMPLEMENT_INTERFACE (GST_TYPE_URI_HANDLER, gst_fc_src_uri_handler_init))
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (
    fcsrc, "fcsrc", GST_RANK_NONE, GST_TYPE_FC_SRC,
    GST_DEBUG_CATEGORY_INIT (gst_fc_src_debug, "fcsrc", 0,
                             "frames out of a slot"))

/* State ---------------------------------------------------------------- */

void
gst_fc_src_update_interrupted (GstFcSrc *self)
{
  if (self->attachment != NULL)
    gst_fc_attachment_set_interrupted (
        self->attachment, self->flushing || self->stopping || self->paused
                              || self->key_wanted || self->bus_answered);
}

/* With wait_lock. */
static void
gst_fc_src_wake (GstFcSrc *self)
{
  GST_DEBUG_OBJECT (self, "flushing %d, stopping %d, paused %d", self->flushing,
                    self->stopping, self->paused);
  gst_fc_src_update_interrupted (self);
  gst_fc_history_set_interrupted (
      &self->history, self->flushing || self->stopping || self->paused);
  g_cond_broadcast (&self->wait_cond);
}

/* GStreamer 1.26 asks for this also when it goes to PAUSED, and a thread that
 * hears of it only when that is PLAYING again would stop for good. It waits
 * for PLAYING by itself. */
static gboolean
gst_fc_src_unlock (GstBaseSrc *src)
{
  GstFcSrc *self = GST_FC_SRC (src);

  g_mutex_lock (&self->wait_lock);
  if (!self->pausing)
    self->flushing = TRUE;
  gst_fc_src_wake (self);
  g_mutex_unlock (&self->wait_lock);
  return TRUE;
}

/* It also takes back, on the streaming thread and before each frame, what
 * another thread may have asked for a moment ago. Only that other thread may:
 * and being stopped is taken back by the next start. */
static gboolean
gst_fc_src_unlock_stop (GstBaseSrc *src)
{
  GstFcSrc *self = GST_FC_SRC (src);

  g_mutex_lock (&self->wait_lock);
  if (self->streaming_thread != g_thread_self ())
    self->flushing = FALSE;
  gst_fc_src_wake (self);
  g_mutex_unlock (&self->wait_lock);
  return TRUE;
}

static void
gst_fc_src_set_paused (GstFcSrc *self, gboolean paused)
{
  g_mutex_lock (&self->wait_lock);
  self->paused = paused;
  if (!paused && self->played)
    self->skip_before = gst_fc_monotonic ();
  self->played |= !paused;
  gst_fc_src_wake (self);
  g_mutex_unlock (&self->wait_lock);
}

/* Until the next start, unlike a flush. */
static void
gst_fc_src_set_stopping (GstFcSrc *self)
{
  g_mutex_lock (&self->wait_lock);
  self->stopping = TRUE;
  gst_fc_src_wake (self);
  g_mutex_unlock (&self->wait_lock);
}

static void
gst_fc_src_set_pausing (GstFcSrc *self, gboolean pausing)
{
  g_mutex_lock (&self->wait_lock);
  self->pausing = pausing;
  g_mutex_unlock (&self->wait_lock);
}

/* The base class holds a live source back in PAUSED only between buffers: one
 * that was waiting for its frame would pass on what was captured meanwhile. */
static GstStateChangeReturn
gst_fc_src_change_state (GstElement *element, GstStateChange transition)
{
  GstFcSrc *self = GST_FC_SRC (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING)
    gst_fc_src_set_paused (self, FALSE);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_fc_src_set_stopping (self);
  if (transition != GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    return GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);

  gst_fc_src_set_paused (self, TRUE);
  gst_fc_src_set_pausing (self, TRUE);
  ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
  gst_fc_src_set_pausing (self, FALSE);
  return ret;
}

static void
gst_fc_src_settings_clear (GstFcSrcSettings *settings)
{
  g_clear_pointer (&settings->slot, g_free);
  g_clear_pointer (&settings->directory, g_free);
}

static void
gst_fc_src_begin (GstFcSrc *self)
{
  guint i;

  gst_fc_notices_reset (&self->notices);
  gst_fc_sticky_clear (&self->sticky);
  for (i = 0; i < G_N_ELEMENTS (self->tags_sent); i++)
    gst_clear_tag_list (&self->tags_sent[i]);
  self->attached = self->after_eos = self->lost = self->key_asked = FALSE;
  self->stream_begins = FALSE;
  self->begin = self->discont = self->need_key = self->headers_due = TRUE;
  self->generation = self->epoch = 0;
  self->wait_until = 0;
  self->has_segment = FALSE;
  self->ring_time = GST_CLOCK_TIME_NONE;
  self->declared = self->observed = 0;
  self->group_id = gst_util_group_id_next ();

  gst_fc_src_settings_clear (&self->use);
  GST_OBJECT_LOCK (self);
  self->use = self->settings;
  self->use.slot = g_strdup (self->settings.slot);
  self->use.directory = g_strdup (self->settings.directory);
  memset (&self->counts, 0, sizeof (self->counts));
  GST_OBJECT_UNLOCK (self);
}

/* The consumer of the last time where leases of it are still out, so that an
 * application that keeps buffers does not take up one place after another. */
static int
gst_fc_src_open (GstFcSrc *self)
{
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;
  GstFcAttachment *old = self->attachment;
  int r = 0;

  options.dir = self->use.directory;
  options.on_lap = gst_fc_src_get_on_lap (self);
  gst_fc_src_get_position (self, &options.position);
  options.spin_ns = self->use.spin;
  options.detached = 1;
  options.log = gst_fc_log;
  options.log_data = gst_fc_src_debug;

  self->reused
      = old != NULL && gst_fc_attachment_unpark (old, self->use.slot, &options);
  if (!self->reused)
    {
      g_mutex_lock (&self->wait_lock);
      self->attachment = gst_fc_attachment_new (self->use.slot, &options, &r);
      g_mutex_unlock (&self->wait_lock);
      g_clear_pointer (&old, gst_fc_attachment_unref);
    }
  if (r < 0)
    return r;
  self->consumer = gst_fc_attachment_get_consumer (self->attachment);
  fc_consumer_stats (self->consumer, &stats);
  self->known_drops = stats.total_dropped;
  return 0;
}

static gboolean
gst_fc_src_start (GstBaseSrc *src)
{
  GstFcSrc *self = GST_FC_SRC (src);
  int r;

  gst_fc_src_begin (self);
  if (self->use.slot == NULL || self->use.slot[0] == '\0')
    {
      GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
                         ("No slot was given: set slot=NAME, for instance"
                          " slot=cam0."),
                         (NULL));
      return FALSE;
    }
  if (!gst_fc_src_check_start (self))
    return FALSE;
  r = gst_fc_src_open (self);
  if (r < 0)
    {
      GST_FC_ELEMENT_ERROR (self, r, GST_RESOURCE_ERROR_OPEN_READ,
                            self->use.slot);
      return FALSE;
    }
  gst_fc_src_join_history (self);
  g_mutex_lock (&self->wait_lock);
  self->flushing = self->stopping = self->played = self->key_wanted = FALSE;
  self->streaming_thread = NULL;
  self->paused = TRUE;
  self->skip_before = 0;
  gst_fc_src_wake (self);
  g_mutex_unlock (&self->wait_lock);
  gst_fc_src_update_latency (self, FALSE);
  return TRUE;
}

static gboolean
gst_fc_src_stop (GstBaseSrc *src)
{
  GstFcSrc *self = GST_FC_SRC (src);

  gst_fc_src_settle (self);
  g_queue_clear_full (&self->pending, (GDestroyNotify) gst_buffer_unref);
  gst_fc_src_leave_history (self);
  gst_fc_src_leave_bus (self);
  self->consumer = NULL;
  self->attached = FALSE;
  if (self->attachment != NULL)
    gst_fc_attachment_park (self->attachment);
  GST_OBJECT_LOCK (self);
  gst_caps_replace (&self->caps, NULL);
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static gboolean
gst_fc_src_set_clock (GstElement *element, GstClock *clock)
{
  gst_fc_clock_set (&GST_FC_SRC (element)->clock, clock);
  return GST_ELEMENT_CLASS (parent_class)->set_clock (element, clock);
}

/* Negotiation and queries ---------------------------------------------- */

static GstCaps *
gst_fc_src_get_caps (GstBaseSrc *src, GstCaps *filter)
{
  GstFcSrc *self = GST_FC_SRC (src);
  GstCaps *caps, *filtered;

  GST_OBJECT_LOCK (self);
  caps = self->caps != NULL ? gst_caps_ref (self->caps) : gst_caps_new_any ();
  GST_OBJECT_UNLOCK (self);
  if (filter == NULL)
    return caps;
  filtered = gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (caps);
  return filtered;
}

static gboolean
gst_fc_src_decide_allocation (GstBaseSrc *src, GstQuery *query)
{
  gst_fc_src_settle_allocation (GST_FC_SRC (src), query);
  return GST_BASE_SRC_CLASS (parent_class)->decide_allocation (src, query);
}

static gboolean
gst_fc_src_query (GstBaseSrc *src, GstQuery *query)
{
  GstFcSrc *self = GST_FC_SRC (src);
  GstFormat format;

  switch (GST_QUERY_TYPE (query))
    {
    case GST_QUERY_LATENCY:
      GST_OBJECT_LOCK (self);
      gst_query_set_latency (query, TRUE, self->latency_min, self->latency_max);
      GST_OBJECT_UNLOCK (self);
      return TRUE;
    case GST_QUERY_SCHEDULING:
      gst_query_set_scheduling (query, GST_SCHEDULING_FLAG_SEQUENTIAL, 1, -1,
                                0);
      gst_query_add_scheduling_mode (query, GST_PAD_MODE_PUSH);
      return TRUE;
    case GST_QUERY_SEEKING:
      gst_query_parse_seeking (query, &format, NULL, NULL, NULL);
      gst_query_set_seeking (query, format, FALSE, 0, -1);
      return TRUE;
    default:
      return GST_BASE_SRC_CLASS (parent_class)->query (src, query);
    }
}

static gboolean
gst_fc_src_event (GstBaseSrc *src, GstEvent *event)
{
  if (!gst_video_event_is_force_key_unit (event))
    return GST_BASE_SRC_CLASS (parent_class)->event (src, event);
  gst_fc_src_want_key (GST_FC_SRC (src));
  return TRUE;
}

/* The object ----------------------------------------------------------- */

static void
gst_fc_src_finalize (GObject *object)
{
  GstFcSrc *self = GST_FC_SRC (object);
  guint i;

  g_clear_pointer (&self->attachment, gst_fc_attachment_unref);
  gst_fc_src_settings_clear (&self->settings);
  gst_fc_src_settings_clear (&self->use);
  gst_fc_sticky_clear (&self->sticky);
  for (i = 0; i < G_N_ELEMENTS (self->tags_sent); i++)
    gst_clear_tag_list (&self->tags_sent[i]);
  g_free (self->sticky_block);
  gst_fc_clock_clear (&self->clock);
  g_cond_clear (&self->wait_cond);
  g_mutex_clear (&self->wait_lock);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_fc_src_class_init (GstFcSrcClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSrcClass *src_class = GST_BASE_SRC_CLASS (klass);

  object_class->finalize = gst_fc_src_finalize;
  gst_fc_src_install_properties (object_class);

  element_class->change_state = gst_fc_src_change_state;
  element_class->set_clock = gst_fc_src_set_clock;
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (
      element_class, "Slot source", "Source/Generic",
      "Reads a slot (a ring of frames in shared memory) that fcsink writes in"
      " another process",
      GST_FC_AUTHOR);

  src_class->start = gst_fc_src_start;
  src_class->stop = gst_fc_src_stop;
  src_class->unlock = gst_fc_src_unlock;
  src_class->unlock_stop = gst_fc_src_unlock_stop;
  src_class->get_caps = gst_fc_src_get_caps;
  src_class->decide_allocation = gst_fc_src_decide_allocation;
  src_class->query = gst_fc_src_query;
  src_class->event = gst_fc_src_event;
  GST_PUSH_SRC_CLASS (klass)->create = gst_fc_src_create;
}

static void
gst_fc_src_init (GstFcSrc *self)
{
  GstBaseSrc *src = GST_BASE_SRC (self);

  self->settings.wait_for_slot = -1;
  self->settings.request_key_frame = TRUE;
  g_queue_init (&self->pending);
  self->latency_max = GST_CLOCK_TIME_NONE;
  g_mutex_init (&self->wait_lock);
  g_cond_init (&self->wait_cond);
  gst_fc_clock_init (&self->clock);
  gst_fc_meta_reader_init (&self->metas, GST_ELEMENT (self));
  gst_base_src_set_live (src, TRUE);
  gst_base_src_set_format (src, GST_FORMAT_TIME);
  /* The writer's segment may have an end; its frames may still go on. */
  gst_base_src_set_automatic_eos (src, FALSE);
}
