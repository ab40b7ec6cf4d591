/* The GStreamer bench's consumers: a transport's source, and a sink that takes
 * the time when a frame comes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench-gst.h"

/* Memory of its own that a consumer reads in place: as large as a ring. */
#define IN_PLACE (256u << 20)

typedef struct
{
  GstElement parent;
  consumer_t *seen;
  int64_t *latency;
  const char *memory;
  uint64_t turn;
} BenchSink;

typedef GstElementClass BenchSinkClass;

static GType bench_sink_get_type (void);
G_DEFINE_TYPE (BenchSink, bench_sink, GST_TYPE_ELEMENT)

/* A process is one consumer. */
static unsigned this_consumer;

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static uint64_t
read_whole (const void *memory, size_t size)
{
  const uint64_t *word = memory;
  uint64_t sum = 0;

  for (size_t i = 0; i < size / sizeof *word; i++)
    sum += word[i];
  return sum;
}

/* What one does who has frames in memory of its own. */
static void
read_in_place (BenchSink *self)
{
  size_t size = shared->config.size;
  int64_t start = clock_ns (CLOCK_THREAD_CPUTIME_ID);
  uint64_t sum = read_whole (
      self->memory + self->turn++ % (IN_PLACE / size) * size, size);

  atomic_fetch_add (&self->seen->sum, sum);
  atomic_fetch_add (&self->seen->in_place,
                    clock_ns (CLOCK_THREAD_CPUTIME_ID) - start);
}

static void
account (BenchSink *self, const stamp_t *stamp, int64_t now)
{
  consumer_t *seen = self->seen;
  uint64_t first = atomic_load (&shared->first);
  uint64_t received
      = atomic_load_explicit (&seen->received, memory_order_relaxed);

  if (received == 0)
    atomic_store (&seen->first_frame, now);
  else if (stamp->seq <= atomic_load (&seen->last_seq))
    atomic_fetch_add (&seen->disorder, 1);
  atomic_store (&seen->last_seq, stamp->seq);
  if (stamp->seq >= first && stamp->seq - first < shared->frames)
    {
      if (stamp->seq - first < MAX_SAMPLES)
        self->latency[stamp->seq - first] = now - stamp->sent;
      atomic_fetch_add (&seen->in_window, 1);
    }
  atomic_store (&seen->received, received + 1);
}

static GstFlowReturn
bench_sink_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  BenchSink *self = (BenchSink *) parent;
  int64_t now = now_ns ();
  stamp_t stamp;
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    {
      gst_buffer_unref (buffer);
      return GST_FLOW_ERROR;
    }
  if (map.size >= sizeof stamp)
    {
      memcpy (&stamp, map.data, sizeof stamp);
      if (shared->config.read)
        atomic_fetch_add (&self->seen->sum, read_whole (map.data, map.size));
      account (self, &stamp, now);
    }
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  if (self->memory)
    read_in_place (self);
  return GST_FLOW_OK;
}

/* Only a failure of the transport's is an end: the bus has it. */
static gboolean
bench_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gst_event_unref (event);
  return TRUE;
}

static void
bench_sink_class_init (BenchSinkClass *klass)
{
  gst_element_class_add_static_pad_template (klass, &sink_template);
  gst_element_class_set_static_metadata (klass, "Takes the time", "Sink",
                                         "Takes the time of frames", "-");
}

static void
bench_sink_init (BenchSink *self)
{
  GstPad *pad = gst_pad_new_from_static_template (&sink_template, "sink");

  gst_pad_set_chain_function (pad, bench_sink_chain);
  gst_pad_set_event_function (pad, bench_sink_event);
  gst_element_add_pad (GST_ELEMENT_CAST (self), pad);
  self->seen = &shared->consumer[this_consumer];
  self->latency = shared->latency[this_consumer];
  if (shared->config.in_place)
    self->memory = share (MAX (IN_PLACE, shared->config.size));
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SINK);
}

void
be_consumer (unsigned index)
{
  const config_t *config = &shared->config;
  const transport_t *transport = find_transport (config->transport);
  g_autofree char *src = in_folder (transport->src, config->dir);
  g_autofree char *caps = frame_caps (config);
  g_autofree char *launch
      = transport->needs_caps
            ? g_strdup_printf ("%s ! %s ! benchsink", src, caps)
            : g_strdup_printf ("%s ! benchsink", src);

  this_consumer = index;
  gst_element_register (NULL, "benchsink", GST_RANK_NONE,
                        bench_sink_get_type ());
  run_pipeline (launch, index + 1);
}

/* The floor: a process that a bare semaphore wakes, for one window. */
void
be_bare (unsigned index)
{
  consumer_t *seen = &shared->consumer[index];

  atomic_store (&seen->bare_ready, true);
  for (uint64_t frame = 0;; frame++)
    {
      int64_t now;

      while (sem_wait (&seen->bare) != 0)
        ;
      now = now_ns ();
      if (frame < MAX_SAMPLES)
        shared->bare[index][frame] = now - shared->bare_sent[frame];
    }
}
