/* The GStreamer bench's measures.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>

#include "fc-bench-gst.h"

/* Frames before a measure: more than an automatic ring's. */
#define WARM_UP 130
/* Paced rates, in frames per second, and the precision of what is found. */
#define LOWEST 250.0
#define HIGHEST 512000.0
#define PRECISION 1.05
/* By itself fcsink keeps 256 MiB: 86 frames of 1080p, 21 of 2160p. How many
 * frames there are to catch up in decides how fast they may come on a machine
 * that does something else for a moment; the size of a frame is not to. */
#define PACED_DEPTH 64
/* A machine that did something else for a moment lost frames of any rate. */
#define TRIES 2
#define MAX_STALLS 2
/* A source that takes so much longer did not keep the rate. */
#define LATE 1.05

static void
add_parameters (const char *measure, const char *what)
{
  const config_t *config = &options.config;

  row_begin (measure, what);
  row_add ("size", (double) config->size);
  row_add ("width", config->width);
  row_add ("height", config->height);
  row_add ("consumers", config->consumers);
  if (config->depth > 0)
    row_add ("depth", config->depth);
}

static bool
stalled (const char *measure)
{
  end_run ();
  add_parameters (measure, options.config.transport);
  row_add ("stalled", 1);
  return false;
}

static bool
start_all (const config_t *config)
{
  start_run (config);
  if (!start_writer ())
    return false;
  for (unsigned i = 0; i < config->consumers; i++)
    start_consumer (i);
  for (unsigned i = 0; i < config->bares; i++)
    start_bare (i);
  return await_frames (WARM_UP);
}

static uint64_t
frames_of (double rate)
{
  return (uint64_t) MAX (options.seconds * rate, 1);
}

/* Latency ------------------------------------------------------------------ */

typedef int64_t samples_t[MAX_SAMPLES];

/* The frames of all consumers, and of each frame the consumer it reached last;
 * one that did not come has no sample.
 */
static void
add_latency (samples_t *by_consumer, uint64_t frames)
{
  unsigned consumers = options.config.consumers;
  g_autofree int64_t *all = g_new (int64_t, frames * consumers);
  g_autofree int64_t *last = g_new0 (int64_t, frames);
  size_t count = 0;
  double sum = 0;

  for (unsigned i = 0; i < consumers; i++)
    for (uint64_t frame = 0; frame < frames; frame++)
      {
        int64_t sample = by_consumer[i][frame];

        if (sample == 0)
          continue;
        all[count++] = sample;
        sum += (double) sample;
        last[frame] = MAX (last[frame], sample);
      }
  row_add ("n", (double) count);
  if (count == 0)
    return;
  row_add ("p50_ns", percentile_us (all, count, 50) * 1e3);
  row_add ("p99_ns", percentile_us (all, count, 99) * 1e3);
  row_add ("min_ns", (double) all[0]);
  row_add ("mean_ns", sum / (double) count);
  row_add ("last_p50_ns", percentile_us (last, frames, 50) * 1e3);
}

static bool
measure_latency (void)
{
  config_t config = options.config;
  double rate = options.rate;
  uint64_t frames = MIN (frames_of (rate), MAX_SAMPLES);

  config.bares = config.consumers;
  if (!start_all (&config) || !run_window (rate, frames))
    return stalled ("gst-latency");
  add_parameters ("gst-latency", "floor");
  row_add ("rate", rate);
  add_latency (shared->bare, frames);
  add_parameters ("gst-latency", options.config.transport);
  row_add ("rate", rate);
  add_latency (shared->latency, frames);
  row_add ("lost", (double) lost_frames ());
  end_run ();
  return true;
}

/* Throughput --------------------------------------------------------------- */

static bool is_running;

/* Whether RATE was kept by the source, and each consumer had each frame. */
static bool
is_kept (double rate, unsigned *stalls)
{
  uint64_t frames = frames_of (rate);

  for (int i = 0; i < TRIES && *stalls < MAX_STALLS; i++)
    {
      if (!is_running && !(is_running = start_all (&options.config)))
        *stalls = MAX_STALLS;
      else if (!run_window (rate, frames))
        ++*stalls;
      else if (lost_frames () == 0
               && (double) shared->took < LATE * 1e9 * (double) frames / rate)
        return true;
      else
        continue;
      end_run ();
      is_running = false;
    }
  return false;
}

static bool
measure_paced (void)
{
  double low = 0, high = LOWEST;
  unsigned stalls = 0;

  if (g_str_equal (find_transport (options.config.transport)->needs, "fcsink"))
    options.config.depth = PACED_DEPTH;
  while (high < HIGHEST && is_kept (high, &stalls))
    {
      low = high;
      high *= 2;
    }
  while (low > 0 && high / low > PRECISION && stalls < MAX_STALLS)
    {
      double middle = low * sqrt (high / low);

      if (is_kept (middle, &stalls))
        low = middle;
      else
        high = middle;
    }
  if (is_running)
    end_run ();
  add_parameters ("gst-paced", options.config.transport);
  if (low > 0)
    row_add ("per_s", low);
  if (stalls > 0)
    row_add ("stalled", stalls);
  return low > 0;
}

/* A short window tells how many frames take as long as asked for. */
static bool
run_unpaced (void)
{
  uint64_t frames = 500;

  for (int i = 0; i < 2; i++)
    {
      if (!run_window (0, frames))
        return false;
      frames
          = frames_of ((double) frames * 1e9 / (double) MAX (shared->took, 1));
    }
  return true;
}

static double
per_s (int64_t took)
{
  return (double) shared->frames * 1e9 / (double) MAX (took, 1);
}

static void
add_throughput (double rate)
{
  double delivered = (double) (shared->frames - lost_frames ());

  row_add ("per_s", rate);
  row_add ("bytes_per_s", rate * (double) options.config.size);
  row_add ("n", (double) shared->frames);
  if (options.config.consumers > 0)
    row_add ("delivered_per_s", delivered / (double) shared->frames * rate);
}

static double
fakesink_per_s (void)
{
  config_t config = options.config;
  double rate = 0;

  g_strlcpy (config.transport, "fakesink", sizeof config.transport);
  config.consumers = 0;
  if (start_all (&config) && run_unpaced ())
    rate = per_s (shared->took);
  end_run ();
  return rate;
}

static bool
measure_unpaced (void)
{
  double before = fakesink_per_s (), after, rate;

  if (!start_all (&options.config) || !run_unpaced ())
    return stalled ("gst-unpaced");
  rate = per_s (shared->took);
  add_parameters ("gst-unpaced", options.config.transport);
  add_throughput (rate);
  end_run ();
  after = fakesink_per_s ();
  add_parameters ("gst-unpaced", "fakesink");
  row_add ("per_s", (before + after) / 2);
  return true;
}

static bool
measure_copy (void)
{
  config_t config = options.config;

  config.own_memory = true;
  config.memcpy_too = true;
  if (!start_all (&config) || !run_unpaced ())
    return stalled ("gst-copy");
  add_parameters ("gst-copy", "memcpy");
  row_add ("per_s", per_s (shared->memcpy_took));
  row_add ("bytes_per_s", per_s (shared->memcpy_took) * (double) config.size);
  add_parameters ("gst-copy", options.config.transport);
  add_throughput (per_s (shared->took));
  end_run ();
  return true;
}

/* Processor time ----------------------------------------------------------- */

/* Per frame, or less than nothing. */
static double
cpu_of_run (const config_t *config)
{
  uint64_t frames = frames_of (options.rate);
  int64_t before;

  if (!start_all (config))
    return -1;
  before = cpu_of_all ();
  if (!run_window (options.rate, frames))
    return -1;
  return (double) (cpu_of_all () - before) / (double) frames;
}

static void
add_cpu (const char *what, double cpu)
{
  add_parameters ("gst-cpu", what);
  row_add ("rate", options.rate);
  row_add ("fill", options.config.fill);
  row_add ("read", options.config.read);
  row_add ("cpu_ns", cpu);
  row_add ("n", (double) shared->frames);
}

/* The floor: the same source into a fakesink, and bare semaphores that wake as
 * many processes as there are consumers.
 */
static bool
measure_cpu (void)
{
  config_t config = options.config;
  double cpu;

  g_strlcpy (config.transport, "fakesink", sizeof config.transport);
  config.consumers = 0;
  config.bares = options.config.consumers;
  cpu = cpu_of_run (&config);
  if (cpu >= 0)
    add_cpu ("floor", cpu);
  end_run ();
  cpu = cpu_of_run (&options.config);
  if (cpu < 0)
    return stalled ("gst-cpu");
  add_cpu (options.config.transport, cpu);
  row_add ("lost", (double) lost_frames ());
  end_run ();
  return true;
}

static bool
measure_read (void)
{
  config_t config = options.config;
  double frames = (double) frames_of (options.rate) * config.consumers;
  int64_t before, in_place = 0;

  config.read = true;
  config.in_place = true;
  if (!start_all (&config))
    return stalled ("gst-read");
  before = cpu_of_consumers ();
  if (!run_window (options.rate, frames_of (options.rate)))
    return stalled ("gst-read");
  before = cpu_of_consumers () - before;
  for (unsigned i = 0; i < config.consumers; i++)
    in_place += shared->consumer[i].in_place;
  add_parameters ("gst-read", "in-place");
  row_add ("rate", options.rate);
  row_add ("cpu_ns", (double) in_place / frames);
  add_parameters ("gst-read", options.config.transport);
  row_add ("rate", options.rate);
  row_add ("cpu_ns", (double) (before - in_place) / frames);
  row_add ("n", frames);
  row_add ("lost", (double) lost_frames ());
  end_run ();
  return true;
}

/* Start and memory --------------------------------------------------------- */

/* From a process's start: to the writer's first frame having gone, and to a
 * consumer's having come, while frames go on. PipeWire's writer sends none
 * before there is a consumer.
 */
static bool
measure_start (void)
{
  unsigned times = options.times;
  g_autofree int64_t *writer = g_new0 (int64_t, times);
  g_autofree int64_t *consumer = g_new0 (int64_t, times);

  for (unsigned i = 0; i < times; i++)
    {
      start_run (&options.config);
      if (!start_writer ())
        return stalled ("gst-start");
      writer[i] = -started_at;
      start_consumer (0);
      if (!await_frames (10))
        return stalled ("gst-start");
      writer[i] += shared->first_push;
      consumer[i] = shared->consumer[0].first_frame - started_at;
      end_run ();
    }
  add_parameters ("gst-start", options.config.transport);
  row_add ("rate", IDLE_RATE);
  row_add ("writer_ns", percentile_us (writer, times, 50) * 1e3);
  row_add ("consumer_ns", percentile_us (consumer, times, 50) * 1e3);
  row_add ("n", times);
  return true;
}

static bool
measure_memory (void)
{
  if (!start_all (&options.config))
    return stalled ("gst-memory");
  add_parameters ("gst-memory", options.config.transport);
  row_add ("bytes", (double) bytes_of_all ());
  end_run ();
  return true;
}

const measure_t measures[] = {
  { "gst-latency", measure_latency, "from the stamp to the consumer's chain" },
  { "gst-paced", measure_paced, "the highest rate at which nothing is lost" },
  { "gst-unpaced", measure_unpaced, "frames/s, the source only stamping" },
  { "gst-copy", measure_copy, "frames/s of a source with its own memory" },
  { "gst-cpu", measure_cpu, "processor time per frame of all processes" },
  { "gst-read", measure_read, "a consumer's processor time to read a frame" },
  { "gst-start", measure_start, "from a process's start to its first frame" },
  { "gst-memory", measure_memory, "resident bytes of all processes" },
  { NULL, NULL, NULL },
};
