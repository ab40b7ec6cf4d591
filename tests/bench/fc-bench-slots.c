/* Many slots at once, each with a writer at a camera's pace and a consumer, all
 * of them processes: what a frame costs and how late it is as they grow more.
 * The floor is a bare semaphore from the same writer to a process of its own,
 * for as many frames, in turns of a second.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-bench-report.h"

#include <sys/resource.h>

#define SLOTS_MAX 256

enum
{
  FLOOR,
  LEASE,
  WAYS
};
static const char *const names[WAYS] = { "floor", "lease" };

static uint64_t slots = 64, rate = 30, rounds = 3, size = 4096;
static const option_t options[]
    = { { 's', "slots", &slots, 1, SLOTS_MAX, "slots, and writers" },
        { 'r', "rate", &rate, 2, 1000, "frames of a slot per s" },
        { 'n', "rounds", &rounds, 1, 60, "s of each way" },
        { 'b', "size", &size, 8, 1 << 24, "bytes of a frame" },
        { 0 } };

/* Of one slot. The frames of a way are numbered through; those of its first
 * second are not looked at. */
typedef struct
{
  sem_t sem;
  _Atomic int64_t sent; /* by the semaphore */
  int64_t cpu[WAYS];    /* of writer and consumer, ns */
  uint64_t lost;
  int64_t *took[WAYS];
} pair_t;

typedef struct
{
  _Atomic unsigned ready;
  _Atomic int64_t start; /* 0: not yet */
  pair_t pair[SLOTS_MAX];
} shared_t;

static shared_t *shared;

static uint64_t
frames_each_way (void)
{
  return (rounds + 1) * rate;
}

static int64_t
cpu_ns (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * SEC
         + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

/* What this process used in each second of a way, from its first frame to its
 * last: it does nothing of the kind in the other way's seconds. */
static void
note_cpu (pair_t *pair, int way, uint64_t frame, int64_t *begun)
{
  if (frame % rate == 0)
    *begun = cpu_ns ();
  else if (frame % rate == rate - 1 && frame >= rate)
    __atomic_add_fetch (&pair->cpu[way], cpu_ns () - *begun, __ATOMIC_RELAXED);
}

static void
slot_name (char name[16], const pair_t *pair)
{
  snprintf (name, 16, "slot%03u", (unsigned) (pair - shared->pair));
}

static void
wait_bare (void *arg)
{
  pair_t *pair = arg;
  int64_t begun = 0;

  shared->ready++;
  for (uint64_t i = 0; i < frames_each_way (); i++)
    {
      while (sem_wait (&pair->sem) != 0)
        ;
      pair->took[FLOOR][i] = now_ns () - pair->sent;
      note_cpu (pair, FLOOR, i, &begun);
    }
}

static void
wait_frame (void *arg)
{
  pair_t *pair = arg;
  fc_consumer_t *consumer;
  int64_t begun = 0;
  uint64_t i = 0;
  char name[16];

  slot_name (name, pair);
  consumer = open_bench_consumer (name);
  shared->ready++;
  while (i < frames_each_way ())
    {
      fc_frame_t frame = FC_FRAME_INIT;

      must (fc_consumer_lease (consumer, &frame, 60 * SEC), "lease");
      i = frame.info.offset;
      pair->took[LEASE][i] = now_ns () - (int64_t) frame.info.capture_ns;
      pair->lost += frame.dropped;
      fc_consumer_release (consumer, &frame);
      note_cpu (pair, LEASE, i, &begun);
      i++;
    }
  fc_consumer_close (consumer);
}

static void
send_one (pair_t *pair, int way, fc_writer_t *writer, uint64_t i)
{
  fc_frame_t frame = FC_FRAME_INIT;

  must (fc_writer_acquire (writer, &frame), "acquire");
  memset (frame.data, (int) i, size);
  if (way == FLOOR)
    {
      pair->sent = now_ns ();
      sem_post (&pair->sem);
      fc_writer_abandon (writer, &frame);
      return;
    }
  frame.size = size;
  frame.info.offset = i;
  frame.info.capture_ns = (uint64_t) now_ns ();
  must (fc_writer_commit (writer, &frame), "commit");
}

/* Spread over a frame's time, as cameras are. */
static void
write_slot (void *arg)
{
  pair_t *pair = arg;
  int64_t offset = (pair - shared->pair) * SEC / (int64_t) (rate * slots);
  fc_writer_t *writer;
  int64_t begun = 0;
  char name[16];

  slot_name (name, pair);
  writer = open_bench_writer (name, size, 8, 64);
  shared->ready++;
  AWAIT (shared->start != 0, "the start");
  for (uint64_t i = 0; i < WAYS * frames_each_way (); i++)
    {
      int way = (int) (i / rate % WAYS);
      uint64_t frame = i / rate / WAYS * rate + i % rate;

      sleep_until (shared->start + offset + (int64_t) i * SEC / (int64_t) rate);
      send_one (pair, way, writer, frame);
      note_cpu (pair, way, frame, &begun);
    }
  sleep_until (now_ns () + SEC); /* the last frames are being read */
  fc_writer_close (writer);
}

/* What came, of all slots; returns how many there are. */
static size_t
gather (int way, int64_t *all)
{
  size_t n = 0;

  for (uint64_t i = 0; i < slots; i++)
    for (uint64_t frame = rate; frame < frames_each_way (); frame++)
      if (shared->pair[i].took[way][frame] != 0)
        all[n++] = shared->pair[i].took[way][frame];
  return n;
}

static void
print (void)
{
  const number_t parameters[] = { { "slots", (double) slots },
                                  { "rate", (double) rate },
                                  { "size", (double) size },
                                  { 0 } };
  int64_t *all = calloc (slots * frames_each_way (), sizeof *all);
  spread_t spread[WAYS];

  report ("slots", parameters);
  for (int way = 0; way < WAYS; way++)
    {
      double cpu = 0, lost = 0;

      spread[way] = spread_of (all, gather (way, all));
      for (uint64_t i = 0; i < slots; i++)
        {
          cpu += (double) shared->pair[i].cpu[way];
          lost += way == LEASE ? (double) shared->pair[i].lost : 0;
        }
      /* each second's time is counted from its first frame */
      cpu /= (double) (slots * rounds * (rate - 1));
      report_row (
          names[way], &spread[way], &spread[FLOOR],
          (number_t[]){ { "cpu_ns", cpu }, { "lost_frames", lost }, { 0 } });
    }
  free (all);
}

static void
reap (const pid_t *pid, uint64_t count)
{
  for (uint64_t i = 0; i < count; i++)
    {
      int status;

      if (waitpid (pid[i], &status, 0) != pid[i] || status != 0)
        {
          fprintf (stderr, "a process of the bench failed\n");
          exit (1);
        }
    }
}

int
main (int argc, char **argv)
{
  void (*const roles[]) (void *arg) = { write_slot, wait_bare, wait_frame };
  static pid_t pid[3 * SLOTS_MAX];
  unsigned count = 0;

  take_options (argc, argv,
                "Many slots, each with a writer and a consumer that are "
                "processes: how late frames\nare, and the processor time of "
                "each, beside a bare semaphore.",
                options);
  make_bench_dir ();
  shared = share (sizeof *shared);
  for (uint64_t i = 0; i < slots; i++)
    {
      pair_t *pair = &shared->pair[i];

      sem_init (&pair->sem, 1, 0);
      for (int way = 0; way < WAYS; way++)
        pair->took[way] = share (frames_each_way () * sizeof (int64_t));
      for (unsigned role = 0; role < 3; role++)
        pid[count++] = start (roles[role], pair);
    }
  AWAIT (shared->ready == count, "all processes");
  shared->start = now_ns () + SEC / 10;
  reap (pid, count);
  print ();
  return 0;
}
