/* The GStreamer bench's writer: a source that stamps frames, and a transport's
 * sink. Like a camera's, the source is live, uses the pool or allocator that
 * downstream offers, and makes a video pool where none is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/base/gstpushsrc.h>
#include <gst/video/video.h>

#include "fc-bench-gst.h"

/* A shorter wait, in ns, is not slept: sleeping would not keep the rate. It
 * would keep a processor from the others at rates that leave time to sleep.
 */
#define SPIN (60 * 1000)
#define SPIN_FROM_RATE 2000
/* Frames of one turn, where turns with memcpy are taken. */
#define TURN 32
/* What memcpy writes to: as large as an automatic ring. */
#define COPIES (256u << 20)

typedef struct
{
  GstPushSrc parent;
  uint64_t n, first, end;
  unsigned window;
  int64_t start; /* of the window */
  int64_t turn;  /* since when the source is at this turn's frames */
  int64_t took;
  int64_t last; /* when the last frame outside windows was due */
  char *copy_from, *copies;
} BenchSrc;

typedef GstPushSrcClass BenchSrcClass;

static GType bench_src_get_type (void);
G_DEFINE_TYPE (BenchSrc, bench_src, GST_TYPE_PUSH_SRC)

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

char *
frame_caps (const config_t *config)
{
  if (config->width == 0)
    return g_strdup ("audio/x-raw,format=S16LE,rate=48000,channels=2,"
                     "layout=interleaved");
  return g_strdup_printf ("video/x-raw,format=NV12,width=%u,height=%u,"
                          "framerate=60/1",
                          config->width, config->height);
}

static GstCaps *
bench_src_get_caps (GstBaseSrc *src, GstCaps *filter)
{
  g_autofree char *text = frame_caps (&shared->config);

  return gst_caps_from_string (text);
}

/* A sink that takes its own memory only leaves the copying to the source. */
static bool
has_own_pool (void)
{
  const config_t *config = &shared->config;

  return config->own_memory && !find_transport (config->transport)->own_only;
}

/* A pool where downstream has none, as a good source does, which then takes
 * its memory from downstream's allocator if there is one. Without a pool each
 * frame is memory of that allocator's.
 */
static gboolean
bench_src_decide_allocation (GstBaseSrc *src, GstQuery *query)
{
  const config_t *config = &shared->config;
  g_autoptr (GstBufferPool) pool = NULL;
  guint size, min, max;

  if (has_own_pool ())
    {
      while (gst_query_get_n_allocation_params (query) > 0)
        gst_query_remove_nth_allocation_param (query, 0);
      while (gst_query_get_n_allocation_pools (query) > 0)
        gst_query_remove_nth_allocation_pool (query, 0);
    }
  if (gst_query_get_n_allocation_pools (query) > 0)
    {
      gst_query_parse_nth_allocation_pool (query, 0, &pool, &size, &min, &max);
      gst_query_set_nth_allocation_pool (
          query, 0, pool, MAX (size, (guint) config->size), min, max);
    }
  else if (has_own_pool () || !find_transport (config->transport)->no_pool)
    {
      pool = config->width > 0 ? gst_video_buffer_pool_new ()
                               : gst_buffer_pool_new ();
      gst_query_add_allocation_pool (query, pool, (guint) config->size, 2, 0);
    }
  /* Whoever reads may come now. */
  atomic_store (&shared->negotiated, true);
  return GST_BASE_SRC_CLASS (bench_src_parent_class)
      ->decide_allocation (src, query);
}

static void
wait_until (int64_t then, bool exactly)
{
  int64_t spin = exactly ? SPIN : 0;

  if (then - now_ns () > spin)
    sleep_until (then - spin);
  while (now_ns () < then)
    ;
}

static void
post_bare (BenchSrc *self)
{
  uint64_t frame = self->n - self->first;

  if (frame < MAX_SAMPLES)
    shared->bare_sent[frame] = now_ns ();
  for (unsigned i = 0; i < shared->config.bares; i++)
    sem_post (&shared->consumer[i].bare);
}

/* As many frames by memcpy alone, from one to the next of a large ring. */
static void
copy_frames (BenchSrc *self, uint64_t count)
{
  size_t size = shared->config.size;
  size_t cells = COPIES / size > 0 ? COPIES / size : 1;
  int64_t start = now_ns ();

  for (uint64_t i = 0; i < count; i++)
    memcpy (self->copies + (self->n - count + i) % cells * size,
            self->copy_from, size);
  atomic_fetch_add (&shared->memcpy_took, now_ns () - start);
}

static void
end_turn (BenchSrc *self, uint64_t count)
{
  self->took += now_ns () - self->turn;
  if (shared->config.memcpy_too)
    copy_frames (self, count);
  self->turn = now_ns ();
}

static void
begin_window (BenchSrc *self)
{
  self->window = shared->ordered;
  self->first = self->n;
  self->end = self->n + shared->frames;
  self->took = 0;
  atomic_store (&shared->memcpy_took, 0);
  atomic_store (&shared->first, self->first);
  self->start = self->turn = now_ns ();
}

static void
end_window (BenchSrc *self)
{
  end_turn (self, (self->n - self->first - 1) % TURN + 1);
  atomic_store (&shared->took, self->took);
  atomic_store (&shared->done, self->window);
  self->end = 0;
  self->last = now_ns ();
}

/* Outside windows frames go on at a pace that everybody can keep. Whether the
 * frame is one of a window.
 */
static bool
wait_for_turn (BenchSrc *self)
{
  const config_t *config = &shared->config;
  double rate;
  int64_t then;

  if (self->end > 0 && self->n == self->end)
    end_window (self);
  if (self->end == 0)
    {
      self->last = MAX (self->last, now_ns () - SEC / IDLE_RATE);
      sleep_until (self->last += SEC / IDLE_RATE);
      if (atomic_load (&shared->ordered) == self->window)
        return false;
      begin_window (self);
    }
  if ((self->n - self->first) % TURN == 0 && self->n > self->first)
    end_turn (self, TURN);
  rate = shared->rate;
  if (rate <= 0)
    return true;
  then = self->start
         + (int64_t) ((double) (self->n - self->first + 1) * 1e9 / rate);
  if (config->bares > 0 && config->consumers > 0)
    {
      wait_until (then - (int64_t) (0.5e9 / rate), false);
      post_bare (self);
    }
  wait_until (then, rate >= SPIN_FROM_RATE);
  if (config->bares > 0 && config->consumers == 0)
    post_bare (self);
  return true;
}

static GstFlowReturn
bench_src_fill (GstPushSrc *src, GstBuffer *buffer)
{
  BenchSrc *self = (BenchSrc *) src;
  stamp_t stamp;
  GstMapInfo map;
  bool in_window;

  if (self->n == 1)
    atomic_store (&shared->first_push, now_ns ());
  in_window = wait_for_turn (self);
  if (atomic_load (&shared->leave))
    return GST_FLOW_EOS;
  if (!gst_buffer_map (buffer, &map, GST_MAP_WRITE))
    return GST_FLOW_ERROR;
  /* Before windows it fills memory in any case, so that memory is there. */
  if (shared->config.fill || !in_window)
    memset (map.data, (int) self->n, map.size);
  else if (shared->config.own_memory && !has_own_pool ())
    memcpy (map.data, self->copy_from, map.size);
  stamp.seq = self->n++;
  stamp.sent = now_ns ();
  memcpy (map.data, &stamp, sizeof stamp);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer)
      = (GstClockTime) stamp.sent
        - gst_element_get_base_time (GST_ELEMENT_CAST (self));
  atomic_store (&shared->sent, self->n);
  return GST_FLOW_OK;
}

static gboolean
bench_src_start (GstBaseSrc *src)
{
  BenchSrc *self = (BenchSrc *) src;

  if (!shared->config.memcpy_too)
    return TRUE;
  self->copies = share (MAX (COPIES, shared->config.size));
  self->copy_from = share (shared->config.size);
  return TRUE;
}

static void
bench_src_class_init (BenchSrcClass *klass)
{
  GstBaseSrcClass *base_class = GST_BASE_SRC_CLASS (klass);

  gst_element_class_add_static_pad_template (GST_ELEMENT_CLASS (klass),
                                             &src_template);
  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass), "Stamps",
                                         "Source", "Stamps frames", "-");
  base_class->get_caps = bench_src_get_caps;
  base_class->decide_allocation = bench_src_decide_allocation;
  base_class->start = bench_src_start;
  klass->fill = bench_src_fill;
}

static void
bench_src_init (BenchSrc *self)
{
  gst_base_src_set_format (GST_BASE_SRC (self), GST_FORMAT_TIME);
  gst_base_src_set_live (GST_BASE_SRC (self), TRUE);
  gst_base_src_set_blocksize (GST_BASE_SRC (self), (guint) shared->config.size);
}

void
be_writer (unsigned index)
{
  const config_t *config = &shared->config;
  const transport_t *transport = find_transport (config->transport);
  g_autofree char *sink = in_folder (transport->sink, config->dir);
  g_autofree char *depth
      = config->depth > 0 ? g_strdup_printf ("ring-depth=%u", config->depth)
                          : g_strdup ("");
  g_autofree char *launch = g_strdup_printf (
      "benchsrc ! %s %s sync=false enable-last-sample=false", sink, depth);

  gst_element_register (NULL, "benchsrc", GST_RANK_NONE, bench_src_get_type ());
  run_pipeline (launch, 0);
}
