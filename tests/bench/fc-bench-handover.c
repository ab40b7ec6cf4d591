/* From the commit of a frame to the consumer's having it, against the floor:
 * a bare process-shared semaphore between two processes. All ways in the same
 * run, in turn, at the same pace, after filling the same frame.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "fc-bench-report.h"

#define CONSUMERS_MAX 64
#define LOAD_MAX 64
#define DEPTH 8
/* As many as a ring fills in turn: a floor that fills the same memory again and
 * again would find it in the cache. */
#define CELLS (DEPTH + 2)

enum
{
  FLOOR,      /* a semaphore each */
  FUTEX,      /* a futex word each, which is less than a semaphore */
  FLOOR_COPY, /* a semaphore each, and the frame copied */
  LEASE,
  COPY,
  OBSERVE,
  WAYS
};
static const char *const names[WAYS]
    = { "floor", "futex", "floor-copy", "lease", "copy", "observe" };

/* What one consumer sleeps on, and how many frames it had. */
typedef struct
{
  _Alignas(128) sem_t sem;
  _Alignas(128) _Atomic uint32_t word;
  _Alignas(128) _Atomic uint64_t had;
} sleeper_t;

typedef struct
{
  sleeper_t sleeper[WAYS][CONSUMERS_MAX];
  _Alignas(128) _Atomic int64_t sent[WAYS];
  _Alignas(128) _Atomic unsigned ready;
} shared_t;

static uint64_t size = FRAME_1080P, rate = 60, frames = 600, consumers = 1,
                load, warm_up = 30;
static const option_t options[]
    = { { 's', "size", &size, 1, 1 << 28, "bytes of a frame" },
        { 'r', "rate", &rate, 1, 100000, "frames a second of each way" },
        { 'f', "frames", &frames, 10, 1000000, "frames of each way" },
        { 'c', "consumers", &consumers, 1, CONSUMERS_MAX,
          "consumers of each way" },
        { 'l', "load", &load, 0, LOAD_MAX, "busy processes beside" },
        { 'w', "warm-up", &warm_up, 0, 1000000, "frames that do not count" },
        { 0 } };

static shared_t *shared;
static int64_t *took[WAYS];
static uint8_t *bare_frames, *own_frame;
static pid_t pid[WAYS * CONSUMERS_MAX], load_pid[LOAD_MAX];

static void
note (int way, uint64_t i, int64_t now)
{
  sleeper_t *me = &shared->sleeper[way][i];

  took[way][me->had * consumers + i] = now - shared->sent[way];
  me->had++;
}

static void
wait_bare (int way, uint64_t i)
{
  sleeper_t *me = &shared->sleeper[way][i];

  shared->ready++;
  for (uint32_t n = 0;; n++)
    {
      if (way == FUTEX)
        while (me->word == n)
          syscall (SYS_futex, &me->word, FUTEX_WAIT, n, NULL, NULL, 0);
      else
        while (sem_wait (&me->sem) != 0)
          ;
      if (way == FLOOR_COPY)
        memcpy (own_frame, bare_frames + n % CELLS * size, size);
      note (way, i, now_ns ());
    }
}

static void
wait_frame (int way, uint64_t i)
{
  fc_consumer_options_t how = FC_CONSUMER_OPTIONS_INIT;
  fc_consumer_t *consumer;

  how.dir = bench_dir;
  how.wait_ns = 60 * SEC;
  how.observe = way == OBSERVE;
  must (fc_consumer_open (&consumer, names[way], &how), "consumer");
  shared->ready++;
  for (;;)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      int64_t now;

      if (way == LEASE)
        must (fc_consumer_lease (consumer, &frame, FC_FOREVER), "lease");
      else
        {
          frame.data = own_frame;
          frame.capacity = size;
          must (fc_consumer_read (consumer, &frame, FC_FOREVER), "read");
        }
      now = now_ns ();
      if (way == LEASE)
        fc_consumer_release (consumer, &frame);
      note (way, i, now);
    }
}

/* Each way has processes of its own, which sleep while the other ways have
 * their turns: none is woken more often than another. */
static void
consume (void *arg)
{
  uint64_t number = (uint64_t) (uintptr_t) arg;
  int way = (int) (number % WAYS);

  own_frame = malloc (size);
  if (own_frame == NULL)
    exit (1);
  memset (own_frame, 1, size);
  if (way < LEASE)
    wait_bare (way, number / WAYS);
  else
    wait_frame (way, number / WAYS);
}

static void
post (int way)
{
  for (uint64_t i = 0; i < consumers; i++)
    {
      sleeper_t *sleeper = &shared->sleeper[way][i];

      if (way != FUTEX)
        sem_post (&sleeper->sem);
      else
        {
          sleeper->word++;
          syscall (SYS_futex, &sleeper->word, FUTEX_WAKE, 1, NULL, NULL, 0);
        }
    }
}

static void
send_one (int way, fc_writer_t *writer, uint64_t n)
{
  fc_frame_t frame = FC_FRAME_INIT;

  if (way < LEASE)
    frame.data = bare_frames + n % CELLS * size;
  else
    must (fc_writer_acquire (writer, &frame), "acquire");
  memset (frame.data, (int) n, size);
  frame.size = size;
  shared->sent[way] = now_ns ();
  if (way < LEASE)
    post (way);
  else
    must (fc_writer_commit (writer, &frame), "commit");
}

static bool
all_had (int way, uint64_t n)
{
  for (uint64_t i = 0; i < consumers; i++)
    if (shared->sleeper[way][i].had < n)
      return false;
  return true;
}

static void
send_all (fc_writer_t **writer)
{
  int64_t next = now_ns ();

  for (uint64_t n = 0; n < warm_up + frames; n++)
    for (unsigned turn = 0; turn < WAYS; turn++)
      {
        /* none always comes after the same other */
        int way = (int) ((turn + n) % WAYS);

        next += SEC / (int64_t) rate / WAYS;
        if (next < now_ns ())
          next = now_ns ();
        sleep_until (next);
        AWAIT (all_had (way, n), "the frame before");
        send_one (way, writer[way], n);
      }
  for (int way = 0; way < WAYS; way++)
    AWAIT (all_had (way, warm_up + frames), "the last frame");
}

/* When the last consumer had each frame. */
static spread_t
spread_of_last (const int64_t *sample)
{
  int64_t *last = calloc (frames, sizeof *last);
  spread_t spread;

  for (uint64_t n = 0; n < frames; n++)
    for (uint64_t i = 0; i < consumers; i++)
      if (sample[n * consumers + i] > last[n])
        last[n] = sample[n * consumers + i];
  spread = spread_of (last, frames);
  free (last);
  return spread;
}

static void
print (void)
{
  const number_t parameters[] = {
    { "size", (double) size },
    { "rate", (double) rate },
    { "consumers", (double) consumers },
    { "load", (double) load },
    { "depth", DEPTH },
    { NULL, 0 },
  };
  spread_t spread[WAYS];

  report ("handover", parameters);
  for (int way = 0; way < WAYS; way++)
    {
      int64_t *sample = took[way] + warm_up * consumers;
      spread_t last = spread_of_last (sample);
      const number_t more[] = { { "last_p50_ns", last.p50 },
                                { "last_p99_ns", last.p99 },
                                { NULL, 0 } };

      spread[way] = spread_of (sample, frames * consumers);
      report_row (names[way], &spread[way],
                  &spread[way == COPY || way == OBSERVE ? FLOOR_COPY : FLOOR],
                  consumers > 1 ? more : NULL);
    }
}

static fc_writer_t *
open_writer (int way)
{
  fc_writer_options_t how = FC_WRITER_OPTIONS_INIT;
  fc_writer_t *writer;

  how.dir = bench_dir;
  how.frame_size = size;
  how.ring_depth = DEPTH;
  how.observers = way == OBSERVE;
  must (fc_writer_open (&writer, names[way], &how), "writer");
  return writer;
}

int
main (int argc, char **argv)
{
  fc_writer_t *writer[WAYS] = { NULL };

  take_options (argc, argv,
                "From commit to the consumer's having the frame, beside bare "
                "semaphores and futexes.",
                options);
  make_bench_dir ();
  shared = share (sizeof *shared);
  bare_frames = share (CELLS * size);
  for (int way = 0; way < WAYS; way++)
    {
      took[way] = share ((warm_up + frames) * consumers * sizeof *took[way]);
      for (uint64_t i = 0; i < consumers; i++)
        sem_init (&shared->sleeper[way][i].sem, 1, 0);
    }
  for (uint64_t i = 0; i < WAYS * consumers; i++)
    pid[i] = start (consume, (void *) (uintptr_t) i);
  start_load (load_pid, load);
  for (int way = LEASE; way < WAYS; way++)
    writer[way] = open_writer (way);
  AWAIT (shared->ready == WAYS * consumers, "all consumers attached");
  send_all (writer);
  end_all (load_pid, load);
  end_all (pid, WAYS * consumers);
  print ();
  for (int way = LEASE; way < WAYS; way++)
    fc_writer_close (writer[way]);
  return 0;
}
