/* framecache: what fcsrc can be asked for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "gstfcsrc-private.h"

static const GEnumValue attach_values[] = {
  { GST_FC_ATTACH_AUTO,
    "By the directory; where it has no such slot, also by a registry that runs"
    " on the session bus or the system bus and, if a directory was named, is"
    " that one's",
    "auto" },
  { GST_FC_ATTACH_DIRECTORY, "By the slot directory alone", "directory" },
  { GST_FC_ATTACH_BUS,
    "By the registry on the session bus, else on the system bus, started where"
    " that is possible",
    "bus" },
  { 0, NULL, NULL },
};

static const GEnumValue start_values[] = {
  { GST_FC_START_LIVE, "The next frame", "live" },
  { GST_FC_START_LATEST, "At once, the newest there is", "latest" },
  { GST_FC_START_OLDEST, "The history, from at most 3/4 of the depth back",
    "oldest" },
  { GST_FC_START_KEY,
    "At once, the newest frame that decoding can start at; that is the newest"
    " there is where each can be decoded by itself",
    "key-frame" },
  { 0, NULL, NULL },
};

static const GEnumValue on_lap_values[] = {
  { GST_FC_LAP_AUTO,
    "oldest for start=oldest and where start-time is set; else latest, or"
    " key-frame where the format has delta units",
    "auto" },
  { GST_FC_LAP_OLDEST, "3/4 of the depth back", "oldest" },
  { GST_FC_LAP_LATEST, "The newest frame", "latest" },
  { GST_FC_LAP_KEY,
    "The newest frame that decoding can start at, at most 3/4 of the depth"
    " back; else as latest",
    "key-frame" },
  { 0, NULL, NULL },
};

static const GEnumValue on_eos_values[] = {
  { GST_FC_EOS_EOS, "End the stream", "eos" },
  { GST_FC_EOS_WAIT, "Wait for the next writer", "wait" },
  { 0, NULL, NULL },
};

static const GEnumValue on_writer_lost_values[] = {
  { GST_FC_WRITER_LOST_WAIT, "Wait for the next writer", "wait" },
  { GST_FC_WRITER_LOST_EOS, "End the stream", "eos" },
  { GST_FC_WRITER_LOST_ERROR, "End it with an error", "error" },
  { 0, NULL, NULL },
};

static const GEnumValue timestamps_values[] = {
  { GST_FC_TIMESTAMPS_CLOCK,
    "When the frame was captured, by this pipeline's clock", "clock" },
  { GST_FC_TIMESTAMPS_STREAM, "The writer's own, with its segment", "stream" },
  { GST_FC_TIMESTAMPS_ARRIVAL, "When it arrived here", "arrival" },
  { 0, NULL, NULL },
};

static const GEnumValue memory_values[] = {
  { GST_FC_MEMORY_AUTO, "The ring's own while leases last, else copies",
    "auto" },
  { GST_FC_MEMORY_ZERO_COPY,
    "The ring's own only; waits while downstream holds all leases",
    "zero-copy" },
  { GST_FC_MEMORY_COPY, "Copies", "copy" },
  { 0, NULL, NULL },
};

static void
install_enum (GObjectClass *klass, guint id, const gchar *type_name,
              const GEnumValue *values, const gchar *name, const gchar *nick,
              const gchar *blurb, GParamFlags flags)
{
  GType type = g_enum_register_static (type_name, values);

  gst_type_mark_as_plugin_api (type, (GstPluginAPIFlags) 0);
  g_object_class_install_property (
      klass, id,
      g_param_spec_enum (name, nick, blurb, type, values[0].value,
                         flags | G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
}

static void
install_enums (GObjectClass *klass)
{
  install_enum (klass, GST_FC_SRC_PROP_ATTACH, "GstFcAttach", attach_values,
                "attach", "Attach",
                "How to come by the slot; the bus is for a reader that can not"
                " see the slot directory, in a container for instance",
                GST_PARAM_MUTABLE_READY);
  install_enum (klass, GST_FC_SRC_PROP_START, "GstFcStart", start_values,
                "start", "Start",
                "Where to begin to read; delta units before a key frame are"
                " skipped",
                GST_PARAM_MUTABLE_READY);
  install_enum (klass, GST_FC_SRC_PROP_ON_LAP, "GstFcOnLap", on_lap_values,
                "on-lap", "On lap",
                "Where to go on after having been too slow for the ring; delta"
                " units before a key frame are skipped",
                GST_PARAM_MUTABLE_READY);
  install_enum (klass, GST_FC_SRC_PROP_ON_EOS, "GstFcOnEos", on_eos_values,
                "on-eos", "On end of stream",
                "What to do when the writer has finished",
                GST_PARAM_MUTABLE_PLAYING);
  install_enum (klass, GST_FC_SRC_PROP_ON_WRITER_LOST, "GstFcOnWriterLost",
                on_writer_lost_values, "on-writer-lost", "On writer lost",
                "What to do when the writer has died",
                GST_PARAM_MUTABLE_PLAYING);
  install_enum (klass, GST_FC_SRC_PROP_TIMESTAMPS, "GstFcTimestamps",
                timestamps_values, "timestamps", "Time stamps",
                "Which time stamps buffers get; do-timestamp=true is arrival",
                GST_PARAM_MUTABLE_READY);
  install_enum (klass, GST_FC_SRC_PROP_MEMORY, "GstFcMemoryMode", memory_values,
                "memory", "Memory",
                "Which memory buffers are of; the ring's own is read-only",
                GST_PARAM_MUTABLE_PLAYING);
}

/* Values ------------------------------------------------------------------ */

static void
gst_fc_src_set_property (GObject *object, guint id, const GValue *value,
                         GParamSpec *pspec)
{
  GstFcSrc *self = GST_FC_SRC (object);
  GstFcSrcSettings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id)
    {
    case GST_FC_SRC_PROP_SLOT:
      g_free (settings->slot);
      settings->slot = g_value_dup_string (value);
      break;
    case GST_FC_SRC_PROP_DIRECTORY:
      g_free (settings->directory);
      settings->directory = g_value_dup_string (value);
      break;
    case GST_FC_SRC_PROP_ATTACH:
      settings->attach = (GstFcAttach) g_value_get_enum (value);
      break;
    case GST_FC_SRC_PROP_START:
      settings->start = (GstFcStart) g_value_get_enum (value);
      break;
    case GST_FC_SRC_PROP_START_TIME:
      settings->start_time = g_value_get_int64 (value);
      break;
    case GST_FC_SRC_PROP_ON_LAP:
      settings->on_lap = (GstFcLap) g_value_get_enum (value);
      break;
    case GST_FC_SRC_PROP_ON_EOS:
      settings->on_eos = (GstFcEos) g_value_get_enum (value);
      break;
    case GST_FC_SRC_PROP_ON_WRITER_LOST:
      settings->on_writer_lost = (GstFcWriterLost) g_value_get_enum (value);
      break;
    case GST_FC_SRC_PROP_WAIT_FOR_SLOT:
      settings->wait_for_slot = g_value_get_int64 (value);
      break;
    case GST_FC_SRC_PROP_TIMESTAMPS:
      settings->timestamps = (GstFcTimestamps) g_value_get_enum (value);
      break;
    case GST_FC_SRC_PROP_MEMORY:
      settings->memory = (GstFcMemoryMode) g_value_get_enum (value);
      break;
    case GST_FC_SRC_PROP_REQUEST_KEY_FRAME:
      settings->request_key_frame = g_value_get_boolean (value);
      break;
    case GST_FC_SRC_PROP_SPIN:
      settings->spin = g_value_get_uint64 (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
    }
  GST_OBJECT_UNLOCK (self);
}

/* With the object lock. */
static GstStructure *
gst_fc_src_make_stats (const GstFcSrcCounts *counts)
{
  const GstFcHistogram *latency = &counts->latency;

  return gst_structure_new (
      "application/x-framecache-src-stats", "delivered", G_TYPE_UINT64,
      counts->delivered, "dropped", G_TYPE_UINT64, counts->dropped,
      "dropped-key-frames", G_TYPE_UINT64, counts->dropped_keys, "laps",
      G_TYPE_UINT64, counts->laps, "skipped", G_TYPE_UINT64, counts->skipped,
      "lag", G_TYPE_UINT64, counts->lag, "leased", G_TYPE_UINT64,
      counts->leased, "copied", G_TYPE_UINT64, counts->copied, "reconnects",
      G_TYPE_UINT64, counts->reconnects, "observing", G_TYPE_BOOLEAN,
      counts->observing, "latency-min", G_TYPE_UINT64, latency->min,
      "latency-mean", G_TYPE_UINT64, gst_fc_histogram_mean (latency),
      "latency-max", G_TYPE_UINT64, latency->max, "latency-p50", G_TYPE_UINT64,
      gst_fc_histogram_percentile (latency, 50), "latency-p95", G_TYPE_UINT64,
      gst_fc_histogram_percentile (latency, 95), "latency-p99", G_TYPE_UINT64,
      gst_fc_histogram_percentile (latency, 99), NULL);
}

static void
gst_fc_src_get_property (GObject *object, guint id, GValue *value,
                         GParamSpec *pspec)
{
  GstFcSrc *self = GST_FC_SRC (object);
  const GstFcSrcSettings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id)
    {
    case GST_FC_SRC_PROP_SLOT:
      g_value_set_string (value, settings->slot);
      break;
    case GST_FC_SRC_PROP_DIRECTORY:
      g_value_set_string (value, settings->directory);
      break;
    case GST_FC_SRC_PROP_ATTACH:
      g_value_set_enum (value, settings->attach);
      break;
    case GST_FC_SRC_PROP_START:
      g_value_set_enum (value, settings->start);
      break;
    case GST_FC_SRC_PROP_START_TIME:
      g_value_set_int64 (value, settings->start_time);
      break;
    case GST_FC_SRC_PROP_ON_LAP:
      g_value_set_enum (value, settings->on_lap);
      break;
    case GST_FC_SRC_PROP_ON_EOS:
      g_value_set_enum (value, settings->on_eos);
      break;
    case GST_FC_SRC_PROP_ON_WRITER_LOST:
      g_value_set_enum (value, settings->on_writer_lost);
      break;
    case GST_FC_SRC_PROP_WAIT_FOR_SLOT:
      g_value_set_int64 (value, settings->wait_for_slot);
      break;
    case GST_FC_SRC_PROP_TIMESTAMPS:
      g_value_set_enum (value, settings->timestamps);
      break;
    case GST_FC_SRC_PROP_MEMORY:
      g_value_set_enum (value, settings->memory);
      break;
    case GST_FC_SRC_PROP_REQUEST_KEY_FRAME:
      g_value_set_boolean (value, settings->request_key_frame);
      break;
    case GST_FC_SRC_PROP_SPIN:
      g_value_set_uint64 (value, settings->spin);
      break;
    case GST_FC_SRC_PROP_STATS:
      g_value_take_boxed (value, gst_fc_src_make_stats (&self->counts));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
    }
  GST_OBJECT_UNLOCK (self);
}

void
gst_fc_src_install_properties (GObjectClass *klass)
{
  const GParamFlags flags
      = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  klass->set_property = gst_fc_src_set_property;
  klass->get_property = gst_fc_src_get_property;
  g_object_class_install_property (
      klass, GST_FC_SRC_PROP_SLOT,
      g_param_spec_string ("slot", "Slot", "Name of the slot to read; required",
                           NULL, flags));
  g_object_class_install_property (
      klass, GST_FC_SRC_PROP_DIRECTORY,
      g_param_spec_string ("directory", "Directory",
                           "Slot directory (none: the environment's FC_DIR,"
                           " else /dev/shm/framecache and"
                           " /dev/shm/framecache-UID)",
                           NULL, flags));
  install_enums (klass);
  g_object_class_install_property (
      klass, GST_FC_SRC_PROP_START_TIME,
      g_param_spec_int64 ("start-time", "Start time",
                          "How long ago to begin, nanoseconds below 0 (rounded"
                          " back to a frame that decoding can start at, and at"
                          " most the whole history; goes before start; 0 = use"
                          " start)",
                          G_MININT64 / 2, G_MAXINT64, 0, flags));
  g_object_class_install_property (
      klass, GST_FC_SRC_PROP_REQUEST_KEY_FRAME,
      g_param_spec_boolean (
          "request-key-frame", "Request key frame",
          "Ask the writer for a key frame where reading begins or goes on"
          " without one; what downstream asks for is passed on either way",
          TRUE,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
              | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (
      klass, GST_FC_SRC_PROP_WAIT_FOR_SLOT,
      g_param_spec_int64 ("wait-for-slot", "Wait for slot",
                          "How long to wait for a slot that is not there, or"
                          " for the next writer, nanoseconds (-1 = for ever)",
                          -1, G_MAXINT64, -1, flags));
  g_object_class_install_property (
      klass, GST_FC_SRC_PROP_SPIN,
      g_param_spec_uint64 ("spin", "Spin",
                           "How long to look for the next frame, after each"
                           " one, before sleeping, nanoseconds (0 = sleep at"
                           " once); saves this element and the writer a"
                           " wake-up, and keeps a processor busy meanwhile",
                           0, FC_SPIN_MAX, 0, flags));
  g_object_class_install_property (
      klass, GST_FC_SRC_PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
                          "Frames delivered, dropped (and key frames among"
                          " them), skipped, leased and copied, lag (frames),"
                          " and latency from the"
                          " writer's commit to here (nanoseconds)",
                          GST_TYPE_STRUCTURE,
                          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}
