/* The highest paced rate at which a consumer loses nothing, frames being
 * stamped in the ring's cells and leased: it should not depend on their size.
 *
 * fc-bench-paced [SECONDS [ROUNDS]]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gst/base/gstpushsrc.h>
#include <gst/video/video.h>
#include <math.h>

#include "fc-bench.h"

#define LOW 500.0
#define HIGH 256000.0
/* The precision of a rate. */
#define STEP 1.05
#define TRIES 3
/* A writer that takes so much longer did not keep the rate. */
#define LATE 1.05
/* A shorter wait, in ns, is not slept. */
#define SPIN (60 * 1000)

typedef struct
{
  const char *name;
  gint width, height;
} kind_t;

static const kind_t kinds[]
    = { { "1080p", 1920, 1080 }, { "2160p", 3840, 2160 } };

/* Between the processes of one try. */
typedef struct
{
  double rate;
  uint64_t frames;
  int64_t took;
  uint64_t copied, zero_copy, dropped, delivered;
} try_t;

static try_t *the_try;
static const kind_t *the_kind;

/* The source --------------------------------------------------------------- */

typedef struct
{
  GstPushSrc parent;
  uint64_t n;
  int64_t start;
} BenchSrc;

typedef GstPushSrcClass BenchSrcClass;

static GType bench_src_get_type (void);
G_DEFINE_TYPE (BenchSrc, bench_src, GST_TYPE_PUSH_SRC)

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw"));

static GstCaps *
bench_src_get_caps (GstBaseSrc *src, GstCaps *filter)
{
  return gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "I420",
                              "width", G_TYPE_INT, the_kind->width, "height",
                              G_TYPE_INT, the_kind->height, "framerate",
                              GST_TYPE_FRACTION, 60, 1, NULL);
}

static void
wait_for_turn (BenchSrc *self)
{
  int64_t then;

  if (self->n == 1)
    {
      wait_until_asleep (1);
      self->start = now_ns ();
    }
  if (self->n == 0)
    return;
  then = self->start + (int64_t) ((double) self->n * 1e9 / the_try->rate);
  if (then - now_ns () > SPIN)
    sleep_until (then - SPIN);
  while (now_ns () < then)
    ;
}

static GstFlowReturn
bench_src_fill (GstPushSrc *src, GstBuffer *buffer)
{
  BenchSrc *self = (BenchSrc *) src;
  GstMapInfo map;

  if (self->n == the_try->frames)
    {
      the_try->took = now_ns () - self->start;
      return GST_FLOW_EOS;
    }
  wait_for_turn (self);
  if (!gst_buffer_map (buffer, &map, GST_MAP_WRITE))
    return GST_FLOW_ERROR;
  memcpy (map.data, &self->n, sizeof self->n);
  gst_buffer_unmap (buffer, &map);
  self->n++;
  return GST_FLOW_OK;
}

static void
bench_src_class_init (BenchSrcClass *klass)
{
  gst_element_class_add_static_pad_template (GST_ELEMENT_CLASS (klass),
                                             &src_template);
  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass), "Stamps",
                                         "Source", "Stamps frames", "-");
  GST_BASE_SRC_CLASS (klass)->get_caps = bench_src_get_caps;
  klass->fill = bench_src_fill;
}

static void
bench_src_init (BenchSrc *self)
{
  gst_base_src_set_format (GST_BASE_SRC (self), GST_FORMAT_TIME);
}

/* Processes ---------------------------------------------------------------- */

static uint64_t
stat_of (GstStructure *stats, const char *field)
{
  guint64 value = 0;

  gst_structure_get_uint64 (stats, field, &value);
  return value;
}

/* Run to the end, and return ELEMENT's statistics. */
static GstStructure *
run (GstElement *pipeline, GstElement *element)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstStructure *stats;
  GstMessage *message;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
                                        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (message == NULL || GST_MESSAGE_TYPE (message) != GST_MESSAGE_EOS)
    {
      fprintf (stderr, "a pipeline did not end well\n");
      _exit (1);
    }
  g_object_get (element, "stats", &stats, NULL);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return stats;
}

static void
write_frames (void *arg)
{
  GstElement *pipeline, *src, *sink;
  GstStructure *stats;

  gst_init (NULL, NULL);
  pipeline = gst_pipeline_new (NULL);
  src = g_object_new (bench_src_get_type (), NULL);
  sink = gst_element_factory_make ("fcsink", NULL);
  g_object_set (sink, "slot", "bench", "sync", FALSE, "ring-depth", 64, NULL);
  gst_bin_add_many (GST_BIN (pipeline), src, sink, NULL);
  gst_element_link (src, sink);
  stats = run (pipeline, sink);
  the_try->copied = stat_of (stats, "copied");
  the_try->zero_copy = stat_of (stats, "zero-copy");
}

static void
read_frames (void *arg)
{
  GstElement *pipeline, *src;
  GstStructure *stats;

  gst_init (NULL, NULL);
  pipeline = gst_parse_launch ("fcsrc name=s slot=bench memory=zero-copy"
                               " ! fakesink sync=false",
                               NULL);
  src = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  stats = run (pipeline, src);
  the_try->dropped = stat_of (stats, "dropped");
  the_try->delivered = stat_of (stats, "delivered");
}

static bool
ends_well (pid_t pid)
{
  int status;

  return waitpid (pid, &status, 0) == pid && WIFEXITED (status)
         && WEXITSTATUS (status) == 0;
}

/* Whether RATE was kept for so long, and nothing was lost. */
static bool
try_rate (const kind_t *kind, double rate, double seconds)
{
  pid_t reader, writer;
  bool ok;

  memset (the_try, 0, sizeof *the_try);
  the_kind = kind;
  the_try->rate = rate;
  the_try->frames = (uint64_t) (rate * seconds) + 1;
  reader = start (read_frames, NULL);
  writer = start (write_frames, NULL);
  ok = ends_well (writer);
  ok = ends_well (reader) && ok;
  if (!ok)
    exit (1);
  if (the_try->copied > 0)
    printf ("%llu frames were copied\n", (unsigned long long) the_try->copied);
  return the_try->dropped == 0 && (double) the_try->took < seconds * 1e9 * LATE;
}

/* A machine that did something else for a moment lost frames of any size. */
static bool
is_kept (const kind_t *kind, double rate, double seconds)
{
  bool kept = false;

  for (int tries = 0; tries < TRIES && !kept; tries++)
    kept = try_rate (kind, rate, seconds);
  return kept;
}

static double
highest_rate (const kind_t *kind, double seconds)
{
  double low = LOW, high = LOW;

  while (high < HIGH && is_kept (kind, high, seconds))
    {
      low = high;
      high *= 2;
    }
  while (high / low > STEP)
    {
      double middle = low * sqrt (high / low);

      if (is_kept (kind, middle, seconds))
        low = middle;
      else
        high = middle;
    }
  return low;
}

static int
compare_doubles (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

int
main (int argc, char **argv)
{
  double seconds = argc > 1 ? atof (argv[1]) : 1;
  int rounds = argc > 2 ? atoi (argv[2]) : 3;
  double rate[2][16];

  if (rounds < 1 || rounds > 16 || seconds <= 0)
    {
      fprintf (stderr, "usage: fc-bench-paced [SECONDS [ROUNDS, up to 16]]\n");
      return 2;
    }
  make_bench_dir ();
  setenv ("FC_DIR", bench_dir, 1);
  the_try = share (sizeof *the_try);
  for (int round = 0; round < rounds; round++)
    for (int i = 0; i < 2; i++)
      {
        rate[i][round] = highest_rate (&kinds[i], seconds);
        printf ("%s: %.0f frames/s\n", kinds[i].name, rate[i][round]);
        fflush (stdout);
      }
  for (int i = 0; i < 2; i++)
    qsort (rate[i], (size_t) rounds, sizeof rate[i][0], compare_doubles);
  printf ("highest rate without a loss, median of %d: 1080p %.0f/s, 2160p"
          " %.0f/s, ratio %.2f (bar 1.3)\n",
          rounds, rate[0][rounds / 2], rate[1][rounds / 2],
          rate[0][rounds / 2] / rate[1][rounds / 2]);
  return 0;
}
