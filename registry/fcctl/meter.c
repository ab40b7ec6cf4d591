/* framecache: a consumer that measures
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "meter.h"

/* Events that wait to be taken: a slot that changes faster than anybody can
 * read of is not worth more memory. */
#define EVENTS_MAX 64

struct _FcctlMeter
{
  gchar *directory;
  gchar *slot;
  gint64 wait;
  gboolean observe;
  GSourceFunc ready;
  gpointer user_data;
  fc_consumer_t *consumer;
  GThread *thread;
  gint stopping; /* atomic */

  GMutex lock;
  FcctlReading *reading; /* under lock */
  gint64 began;          /* µs, under lock */

  /* The thread's own. */
  gchar *why_observing;
  guint64 next_seq; /* FC_SEQ_NONE: unknown */
  guint64 next_time;
  guint epoch;
};

/* Readings ----------------------------------------------------------------- */

void
fcctl_counts_merge (FcctlCounts *into, const FcctlCounts *from)
{
  into->frames += from->frames;
  into->bytes += from->bytes;
  into->keys += from->keys;
  into->dropped += from->dropped;
  into->laps += from->laps;
  into->gaps += from->gaps;
  into->gap_ns += from->gap_ns;
  fcctl_histogram_merge (&into->capture_to_commit, &from->capture_to_commit);
  fcctl_histogram_merge (&into->capture_to_here, &from->capture_to_here);
  fcctl_histogram_merge (&into->commit_to_here, &from->commit_to_here);
}

static void
event_free (gpointer data)
{
  FcctlMeterEvent *event = data;

  g_free (event->text);
  g_free (event);
}

static FcctlReading *
reading_new (void)
{
  FcctlReading *reading = g_new0 (FcctlReading, 1);

  reading->events = g_ptr_array_new_with_free_func (event_free);
  return reading;
}

void
fcctl_reading_free (FcctlReading *reading)
{
  g_ptr_array_unref (reading->events);
  g_free (reading->sentence);
  g_free (reading);
}

FcctlReading *
fcctl_meter_take (FcctlMeter *meter)
{
  FcctlReading *taken, *next = reading_new ();
  gint64 now;

  g_mutex_lock (&meter->lock);
  now = g_get_monotonic_time ();
  taken = meter->reading;
  taken->elapsed_ns = (guint64) (now - meter->began) * 1000;
  next->state = taken->state;
  next->generation = taken->generation;
  next->epoch = taken->epoch;
  next->observing = taken->observing;
  next->result = taken->result;
  next->sentence = g_strdup (taken->sentence);
  meter->reading = next;
  meter->began = now;
  g_mutex_unlock (&meter->lock);
  return taken;
}

/* The thread --------------------------------------------------------------- */

static void set_state (FcctlMeter *meter, FcctlMeterState state,
                       const gchar *id, const gchar *format, ...)
    G_GNUC_PRINTF (4, 5);

static void
set_state (FcctlMeter *meter, FcctlMeterState state, const gchar *id,
           const gchar *format, ...)
{
  FcctlMeterEvent *event = g_new0 (FcctlMeterEvent, 1);
  va_list args;

  va_start (args, format);
  event->id = id;
  event->text = g_strdup_vprintf (format, args);
  va_end (args);
  g_mutex_lock (&meter->lock);
  meter->reading->state = state;
  if (meter->reading->events->len < EVENTS_MAX)
    g_ptr_array_add (meter->reading->events, g_steal_pointer (&event));
  g_mutex_unlock (&meter->lock);
  if (event != NULL)
    event_free (event);
  if (meter->ready != NULL)
    g_idle_add (meter->ready, meter->user_data);
}

static void
fail (FcctlMeter *meter, int r)
{
  g_mutex_lock (&meter->lock);
  meter->reading->state = FCCTL_METER_FAILED;
  meter->reading->result = r;
  g_free (meter->reading->sentence);
  meter->reading->sentence = g_strdup (fc_error_detail ());
  g_mutex_unlock (&meter->lock);
  if (meter->ready != NULL)
    g_idle_add (meter->ready, meter->user_data);
}

/* libfc tells as a line for logs why it only observes. */
static void
on_log (fc_log_level_t level, const char *message, void *user_data)
{
  FcctlMeter *meter = user_data;

  if (level != FC_LOG_INFO || strstr (message, "observes") == NULL)
    return;
  g_free (meter->why_observing);
  meter->why_observing = fcctl_escape (message, strlen (message));
}

/* A hole in the stream's time between frames that follow one another. Decoding
 * times where there are some: presentation times jump about. */
static void
look_for_gap (FcctlMeter *meter, const fc_frame_t *frame)
{
  guint64 time
      = frame->info.dts != FC_TIME_NONE ? frame->info.dts : frame->info.pts;
  guint64 duration = frame->info.duration;

  if (frame->seq == meter->next_seq && time != FC_TIME_NONE
      && meter->next_time != FC_TIME_NONE && time > meter->next_time
      && duration != FC_TIME_NONE && time - meter->next_time > duration / 2 + 1)
    {
      meter->reading->counts.gaps++;
      meter->reading->counts.gap_ns += time - meter->next_time;
    }
  meter->next_seq = frame->seq + 1;
  meter->next_time = time != FC_TIME_NONE && duration < FC_TIME_NONE - time
                         ? time + duration
                         : FC_TIME_NONE;
}

static void
add_delay (FcctlHistogram *histogram, guint64 from, guint64 to)
{
  if (from != FC_TIME_NONE && to != FC_TIME_NONE)
    fcctl_histogram_add (histogram, to > from ? to - from : 0);
}

static void
count (FcctlMeter *meter, const fc_frame_t *frame, guint64 now)
{
  FcctlCounts *counts;

  g_mutex_lock (&meter->lock);
  counts = &meter->reading->counts;
  counts->frames++;
  counts->bytes += frame->size;
  counts->keys += (frame->info.flags & FC_FRAME_KEY) != 0;
  counts->dropped += frame->dropped;
  counts->laps += frame->dropped > 0;
  add_delay (&counts->capture_to_commit, frame->info.capture_ns,
             frame->info.commit_ns);
  add_delay (&counts->capture_to_here, frame->info.capture_ns, now);
  add_delay (&counts->commit_to_here, frame->info.commit_ns, now);
  look_for_gap (meter, frame);
  meter->reading->epoch = frame->epoch;
  g_mutex_unlock (&meter->lock);
}

static guint64
monotonic_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (guint64) now.tv_sec * 1000000000u + (guint64) now.tv_nsec;
}

static void
took (FcctlMeter *meter, const fc_frame_t *frame, guint64 now, gboolean lost)
{
  if (lost || (meter->epoch != 0 && frame->epoch != meter->epoch))
    set_state (meter, FCCTL_METER_READING, "writer-back",
               "a writer goes on (epoch %u)", frame->epoch);
  meter->epoch = frame->epoch;
  count (meter, frame, now);
}

/* Take frames until there is something else to do: how it ended. */
static int
read_frames (FcctlMeter *meter, gboolean observing)
{
  gboolean lost = FALSE;

  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int r = observing
                  ? fc_consumer_read (meter->consumer, &frame, FC_FOREVER)
                  : fc_consumer_lease (meter->consumer, &frame, FC_FOREVER);
      guint64 now = monotonic_ns ();

      if (r >= 0)
        {
          if (!observing)
            fc_consumer_release (meter->consumer, &frame);
          took (meter, &frame, now, lost);
          lost = FALSE;
        }
      else if (r != FC_WRITER_LOST)
        return r;
      else if (!lost)
        {
          lost = TRUE;
          set_state (meter, FCCTL_METER_LOST, "writer-lost",
                     "the writer died; waiting for the next one");
        }
    }
}

/* R is what fc_consumer_attach () said. */
static gboolean
attached (FcctlMeter *meter, int r, gboolean first)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;
  g_autofree gchar *format = NULL;
  gboolean anew;

  fc_consumer_stats (meter->consumer, &stats);
  format = fcctl_format (meter->directory, meter->slot, 0);
  g_mutex_lock (&meter->lock);
  anew = !first && meter->reading->generation != stats.generation;
  if (meter->reading->counts.frames == 0)
    meter->began = g_get_monotonic_time (); /* waiting is not measured */
  meter->reading->generation = stats.generation;
  meter->reading->observing = stats.observing != 0;
  g_mutex_unlock (&meter->lock);
  if (r == 1 || anew)
    meter->epoch = 0;
  set_state (meter, FCCTL_METER_READING, anew ? "generation" : "attached",
             "%s generation %u%s: %s", anew ? "the slot has" : "attached to",
             stats.generation, stats.observing ? ", observing" : "", format);
  if (stats.observing && !meter->observe && meter->why_observing != NULL)
    set_state (meter, FCCTL_METER_READING, "observing", "%s",
               meter->why_observing);
  return stats.observing != 0;
}

static int
follow (FcctlMeter *meter)
{
  gint64 wait = meter->wait;

  for (gboolean first = TRUE;; first = FALSE)
    {
      int r = fc_consumer_attach (meter->consumer, wait);

      if (r < 0)
        return r;
      r = read_frames (meter, attached (meter, r, first));
      if (r == FC_EOS)
        set_state (meter, FCCTL_METER_WAITING, "eos",
                   "the stream ended; waiting for the next one");
      else if (r == FC_REPLACED)
        set_state (meter, FCCTL_METER_WAITING, "replaced",
                   "this ring is over; waiting for the next one");
      else
        return r;
      wait = FC_FOREVER;
    }
}

static gpointer
run (gpointer user_data)
{
  FcctlMeter *meter = user_data;
  int r = follow (meter);

  if (!g_atomic_int_get (&meter->stopping))
    fail (meter, r);
  return NULL;
}

/* -------------------------------------------------------------------------- */

FcctlMeter *
fcctl_meter_new (const gchar *directory, const gchar *slot, gboolean observe,
                 gint64 wait, GSourceFunc ready, gpointer user_data)
{
  FcctlMeter *meter = g_new0 (FcctlMeter, 1);
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  int r;

  meter->directory = g_strdup (directory);
  meter->slot = g_strdup (slot);
  meter->observe = observe;
  meter->wait = wait;
  meter->ready = ready;
  meter->user_data = user_data;
  meter->next_seq = FC_SEQ_NONE;
  meter->reading = reading_new ();
  meter->began = g_get_monotonic_time ();
  g_mutex_init (&meter->lock);

  options.dir = directory;
  options.name = g_get_prgname ();
  options.observe = observe;
  options.detached = 1;
  options.log = on_log;
  options.log_data = meter;
  r = fc_consumer_open (&meter->consumer, slot, &options);
  if (r < 0)
    fail (meter, r);
  else
    meter->thread = g_thread_new ("fcctl-meter", run, meter);
  return meter;
}

void
fcctl_meter_free (FcctlMeter *meter)
{
  if (meter == NULL)
    return;
  g_atomic_int_set (&meter->stopping, TRUE);
  if (meter->thread != NULL)
    {
      fc_consumer_interrupt (meter->consumer);
      g_thread_join (meter->thread);
    }
  fc_consumer_close (meter->consumer);
  fcctl_reading_free (meter->reading);
  g_mutex_clear (&meter->lock);
  g_free (meter->why_observing);
  g_free (meter->slot);
  g_free (meter->directory);
  g_free (meter);
}
