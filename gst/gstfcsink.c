/* framecache: fcsink, frames into a slot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
/**
 * SECTION:element-fcsink
 * @title: fcsink
 * @see_also: fcsrc
 *
 * fcsink puts its stream into a slot: a named ring of frames in shared
 * memory, from which any number of other processes read with fcsrc. It never
 * waits for a reader. What goes in comes out with its caps, times and flags.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! fcsink slot=cam0
 * ]|
 * A test picture for every process on this machine; see it with fcsrc.
 * |[
 * gst-launch-1.0 audiotestsrc is-live=true ! audio/x-raw,rate=48000 ! fcsink
 * slot=mic0 ring-depth=200
 * ]|
 * Sound, with the last 200 buffers kept for those who join late.
 * |[
 * gst-launch-1.0 videotestsrc !
 * video/x-raw,format=I420,width=1280,height=720,framerate=50/1 ! fcsink
 * slot=cam1 history=2000000000
 * ]|
 * Not live, so played at its own pace; two seconds of history.
 *
 * ## Memory
 * Upstream is offered memory of the ring for raw video, and what it fills there
 * is not copied: `zero-copy` in #GstFcSink:stats counts such frames, `copied`
 * the others. A tee passes no such offer on. A decoder may keep what it has
 * filled; where the ring's memory is all kept it gets ordinary memory, and
 * nothing waits. The slot is there from the first frame on.
 *
 * ## Reserved slots
 * In a slot that was reserved for its writer (by fcctl or the registry) what
 * was reserved goes before the properties: the size of a frame, the depth, how
 * many consumers and leases, access and trust. A larger frame is an error. Such
 * a slot outlives its writers; the next one carries on in it.
 *
 * ## Key frames
 * Frames that decoding can start at are marked, for readers that come late.
 * When one of them asks for such a frame, a force-key-unit event goes upstream,
 * at most every half second.
 *
 * ## Metas
 * Regions of interest, time codes, captions, reference time stamps, crop
 * rectangles, the layout of pictures and sound and whatever else has bytes of
 * its own go along with a buffer, up to 4096 bytes for each. What does not is
 * named in the log, once.
 *
 * ## Pace
 * Where upstream is live a frame is put into the slot as it arrives; else
 * fcsink waits for its time like any sink, so that a file plays at its own
 * pace. Setting #GstBaseSink:sync, to whatever value, decides it.
 */

#include <errno.h>

#include "gstfcsink-private.h"
GST_DEBUG_CATEGORY (gst_fc_sink_debug);
#define GST_CAT_DEFAULT gst_fc_sink_debug

#define DEFAULT_MAX_CONSUMERS 64
#define DEFAULT_MAX_LEASES 4

enum
{
  PROP_0,
  PROP_SLOT,
  PROP_DIRECTORY,
  PROP_RING_DEPTH,
  PROP_HISTORY,
  PROP_FRAME_SIZE,
  PROP_MAX_CONSUMERS,
  PROP_MAX_LEASES,
  PROP_ACCESS,
  PROP_TRUST,
  PROP_CONSUMERS,
  PROP_STATS,
  PROP_SYNC
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

#define gst_fc_sink_parent_class parent_class
G_DEFINE_FINAL_TYPE (GstFcSink, gst_fc_sink, GST_TYPE_BASE_SINK)
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (
    fcsink, "fcsink", GST_RANK_NONE, GST_TYPE_FC_SINK,
    GST_DEBUG_CATEGORY_INIT (gst_fc_sink_debug, "fcsink", 0,
                             "frames into a slot"))

/* State ---------------------------------------------------------------- */

/* On a thread of its own: whoever listens may take its time. */
static void
gst_fc_sink_notify_consumers (GstElement *element, gpointer user_data)
{
  g_object_notify (G_OBJECT (element), "consumers");
}

void
gst_fc_sink_look_at_consumers (GstFcSink *self)
{
  gint consumers = fc_writer_consumers (gst_fc_slot_get_writer (self->ring));

  if (g_atomic_int_exchange (&self->consumers, consumers) != consumers)
    gst_element_call_async (GST_ELEMENT (self), gst_fc_sink_notify_consumers,
                            NULL, NULL);
}

/* The ring is made when the first frame is there. What can be wrong before
 * that is said here, where it fails the state change. */
static gboolean
gst_fc_sink_start (GstBaseSink *sink)
{
  GstFcSink *self = GST_FC_SINK (sink);
  fc_writer_options_t options;
  fc_slot_stat_t stat = { .struct_size = sizeof (stat) };
  fc_plan_t plan = { .struct_size = sizeof (plan) };
  gchar *slot;
  int r;

  gst_fc_sink_get_options (self, &options, &slot);
  if (slot == NULL || slot[0] == '\0')
    {
      GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
                         ("No slot was given: set slot=NAME, for instance"
                          " slot=cam0."),
                         (NULL));
      r = -EINVAL;
      goto out;
    }
  r = fc_slot_stat (options.dir, slot, &stat);
  if (r == -EINVAL)
    {
      GST_FC_ELEMENT_ERROR (self, r, GST_RESOURCE_ERROR_SETTINGS, slot);
      goto out;
    }
  if (options.frame_size == 0)
    options.frame_size = 1;
  r = fc_plan (&options, &plan);
  if (r < 0)
    {
      GST_FC_ELEMENT_ERROR (self, r, GST_RESOURCE_ERROR_OPEN_WRITE, slot);
      goto out;
    }
  g_atomic_int_set (&self->ask_upstream, TRUE);

out:
  g_free (slot);
  g_free ((gchar *) options.dir);
  return r >= 0;
}

static gboolean
gst_fc_sink_stop (GstBaseSink *sink)
{
  GstFcSink *self = GST_FC_SINK (sink);

  gst_fc_slot_close (self->ring);
  gst_fc_sticky_clear (&self->sticky);
  gst_fc_meta_writer_reset (&self->metas);
  self->upstream_live = FALSE;
  self->warned_drop = self->warned_capture = self->warned_tags = FALSE;
  GST_OBJECT_LOCK (self);
  self->copied = self->zero_copy = 0;
  GST_OBJECT_UNLOCK (self);
  if (g_atomic_int_exchange (&self->consumers, 0) != 0)
    g_object_notify (G_OBJECT (self), "consumers");
  return TRUE;
}

static gboolean
gst_fc_sink_set_clock (GstElement *element, GstClock *clock)
{
  gst_fc_clock_set (&GST_FC_SINK (element)->clock, clock);
  return GST_ELEMENT_CLASS (parent_class)->set_clock (element, clock);
}

/* The pipeline's latency is worked out when upstream has changed. */
static gboolean
gst_fc_sink_send_event (GstElement *element, GstEvent *event)
{
  GstFcSink *self = GST_FC_SINK (element);
  gboolean is_latency = GST_EVENT_TYPE (event) == GST_EVENT_LATENCY;
  GstClockTime latency = 0;
  gboolean ok;

  if (is_latency)
    gst_event_parse_latency (event, &latency);
  ok = GST_ELEMENT_CLASS (parent_class)->send_event (element, event);
  if (is_latency)
    {
      g_atomic_int_set (&self->ask_upstream, TRUE);
      gst_fc_slot_set_latency (self->ring, latency);
    }
  return ok;
}

/* Properties ----------------------------------------------------------- */

static void
gst_fc_sink_set_property (GObject *object, guint id, const GValue *value,
                          GParamSpec *pspec)
{
  GstFcSink *self = GST_FC_SINK (object);

  if (id == PROP_SYNC)
    gst_base_sink_set_sync (GST_BASE_SINK (self), g_value_get_boolean (value));
  GST_OBJECT_LOCK (self);
  switch (id)
    {
    case PROP_SLOT:
      g_free (self->slot);
      self->slot = g_value_dup_string (value);
      break;
    case PROP_DIRECTORY:
      g_free (self->directory);
      self->directory = g_value_dup_string (value);
      break;
    case PROP_RING_DEPTH:
      self->ring_depth = g_value_get_uint (value);
      break;
    case PROP_HISTORY:
      self->history = g_value_get_uint64 (value);
      break;
    case PROP_FRAME_SIZE:
      self->frame_size = g_value_get_uint (value);
      break;
    case PROP_MAX_CONSUMERS:
      self->max_consumers = g_value_get_uint (value);
      break;
    case PROP_MAX_LEASES:
      self->max_leases = g_value_get_uint (value);
      break;
    case PROP_ACCESS:
      self->access = (fc_share_t) g_value_get_enum (value);
      break;
    case PROP_TRUST:
      self->trust = (fc_share_t) g_value_get_enum (value);
      break;
    case PROP_SYNC:
      self->sync_is_set = TRUE;
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
    }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_fc_sink_get_property (GObject *object, guint id, GValue *value,
                          GParamSpec *pspec)
{
  GstFcSink *self = GST_FC_SINK (object);

  switch (id)
    {
    case PROP_SYNC:
      g_value_set_boolean (value,
                           gst_base_sink_get_sync (GST_BASE_SINK (self)));
      return;
    case PROP_CONSUMERS:
      g_value_set_uint (value, gst_fc_slot_count_consumers (self->ring));
      return;
    case PROP_STATS:
      g_value_take_boxed (value, gst_fc_sink_stats_new (self));
      return;
    default:
      break;
    }
  GST_OBJECT_LOCK (self);
  switch (id)
    {
    case PROP_SLOT:
      g_value_set_string (value, self->slot);
      break;
    case PROP_DIRECTORY:
      g_value_set_string (value, self->directory);
      break;
    case PROP_RING_DEPTH:
      g_value_set_uint (value, self->ring_depth);
      break;
    case PROP_HISTORY:
      g_value_set_uint64 (value, self->history);
      break;
    case PROP_FRAME_SIZE:
      g_value_set_uint (value, self->frame_size);
      break;
    case PROP_MAX_CONSUMERS:
      g_value_set_uint (value, self->max_consumers);
      break;
    case PROP_MAX_LEASES:
      g_value_set_uint (value, self->max_leases);
      break;
    case PROP_ACCESS:
      g_value_set_enum (value, (gint) self->access);
      break;
    case PROP_TRUST:
      g_value_set_enum (value, (gint) self->trust);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
    }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_fc_sink_finalize (GObject *object)
{
  GstFcSink *self = GST_FC_SINK (object);

  g_free (self->slot);
  g_free (self->directory);
  gst_fc_clock_clear (&self->clock);
  gst_fc_slot_unref (self->ring);
  gst_fc_meta_writer_reset (&self->metas);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_fc_sink_install_properties (GObjectClass *klass)
{
  const GParamFlags flags
      = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;
  const GParamFlags read_only = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  g_object_class_install_property (
      klass, PROP_SLOT,
      g_param_spec_string ("slot", "Slot",
                           "Name of the slot to write: 1 to 63 of A-Z a-z 0-9"
                           " . _ -, beginning with a letter or a digit;"
                           " required",
                           NULL, flags));
  g_object_class_install_property (
      klass, PROP_DIRECTORY,
      g_param_spec_string ("directory", "Directory",
                           "Slot directory (none: the environment's FC_DIR,"
                           " else /dev/shm/framecache, else"
                           " /dev/shm/framecache-UID)",
                           NULL, flags));
  g_object_class_install_property (
      klass, PROP_RING_DEPTH,
      g_param_spec_uint ("ring-depth", "Ring depth",
                         "History, frames (0 = automatic: 120, fewer where"
                         " these would pass 256 MiB, at least 8)",
                         0, FC_CELLS_MAX, 0, flags));
  g_object_class_install_property (
      klass, PROP_HISTORY,
      g_param_spec_uint64 ("history", "History",
                           "History, nanoseconds, where the caps have a frame"
                           " rate; goes before ring-depth (0 = use"
                           " ring-depth)",
                           0, G_MAXUINT64, 0, flags));
  g_object_class_install_property (
      klass, PROP_FRAME_SIZE,
      g_param_spec_uint ("frame-size", "Frame size",
                         "Largest frame, bytes, where the caps do not tell; a"
                         " larger one makes a new generation of the ring (0 ="
                         " begin with 1 MiB, 64 KiB for sound)",
                         0, G_MAXUINT, 0, flags));
  g_object_class_install_property (
      klass, PROP_MAX_CONSUMERS,
      g_param_spec_uint ("max-consumers", "Most consumers",
                         "Places for consumers that read without copying", 1,
                         4096, DEFAULT_MAX_CONSUMERS, flags));
  g_object_class_install_property (
      klass, PROP_MAX_LEASES,
      g_param_spec_uint ("max-leases", "Most leases",
                         "Frames that each of them may hold, of which one is"
                         " kept for copies",
                         2, 1024, DEFAULT_MAX_LEASES, flags));
  g_object_class_install_property (
      klass, PROP_ACCESS,
      g_param_spec_enum ("access", "Access",
                         "Who may read the slot; never fewer than trust",
                         GST_TYPE_FC_SHARE, FC_SHARE_USER, flags));
  g_object_class_install_property (
      klass, PROP_TRUST,
      g_param_spec_enum ("trust", "Trust",
                         "Who may hold leases in the slot; the others with"
                         " access observe it",
                         GST_TYPE_FC_SHARE, FC_SHARE_USER, flags));
  g_object_class_install_property (
      klass, PROP_CONSUMERS,
      g_param_spec_uint ("consumers", "Consumers",
                         "Consumers attached now; notifies with the next frame",
                         0, G_MAXUINT, 0, read_only));
  g_object_class_install_property (
      klass, PROP_STATS,
      g_param_spec_boxed (
          "stats", "Statistics",
          "Frames committed, copied, not copied and dropped, the"
          " ring, and each consumer's lag and drops (frames)",
          GST_TYPE_STRUCTURE, read_only));
  g_object_class_override_property (klass, PROP_SYNC, "sync");
}

static void
gst_fc_sink_class_init (GstFcSinkClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS (klass);

  object_class->set_property = gst_fc_sink_set_property;
  object_class->get_property = gst_fc_sink_get_property;
  object_class->finalize = gst_fc_sink_finalize;
  gst_fc_sink_install_properties (object_class);

  element_class->set_clock = gst_fc_sink_set_clock;
  element_class->send_event = gst_fc_sink_send_event;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_set_static_metadata (
      element_class, "Slot sink", "Sink/Generic",
      "Puts a stream into a slot (a ring of frames in shared memory) for any"
      " number of other processes",
      GST_FC_AUTHOR);
  gst_type_mark_as_plugin_api (GST_TYPE_FC_SHARE, 0);

  sink_class->start = gst_fc_sink_start;
  sink_class->stop = gst_fc_sink_stop;
  gst_fc_sink_caps_class_init (sink_class);
  gst_fc_sink_stream_class_init (sink_class);
  gst_fc_sink_time_class_init (sink_class);
}

static void
gst_fc_sink_init (GstFcSink *self)
{
  self->max_consumers = DEFAULT_MAX_CONSUMERS;
  self->max_leases = DEFAULT_MAX_LEASES;
  self->ring = gst_fc_slot_new ();
  gst_fc_clock_init (&self->clock);
  gst_fc_meta_writer_init (&self->metas, GST_ELEMENT (self));
  /* A last sample would keep a frame, and there is nothing to show. */
  gst_base_sink_set_last_sample_enabled (GST_BASE_SINK (self), FALSE);
  /* Putting a frame into a slot takes no time worth waiting for. */
  gst_base_sink_set_processing_deadline (GST_BASE_SINK (self), 0);
}
