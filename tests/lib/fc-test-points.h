/* A child that is killed, or stopped, at the n-th of its calls into the C
 * library, and what has to hold whatever n is.
 *
 * Its points are one just before each of the calls that fc-test-wraps.h has,
 * and one just after it: what is stored between two calls is there at one of
 * them and not at the other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_TEST_POINTS_H
#define FC_TEST_POINTS_H

#include "fc-test-wraps.h"

/* Points ------------------------------------------------------------------ */

typedef struct
{
  uint64_t committed; /* frames of which the child knows that they count */
  unsigned points;    /* passed so far */
  bool ended;         /* by itself, all done */
} told_t;

static told_t *told; /* by the children */
/* The child's: whose points these are. */
static const struct victim *armed;
static _Thread_local bool is_main;

static void pass_point (const struct victim *victim);

static void
point (void)
{
  int saved = errno;

  if (armed)
    pass_point (armed);
  errno = saved;
}

static int
before_call (int error, unsigned can)
{
  (void) error, (void) can;
  point ();
  return 0;
}

static void
after_call (void)
{
  point ();
}

static void
tell_committed (uint64_t seq)
{
  told->committed = seq + 1;
}

static void
put_told (fc_writer_t *writer)
{
  tell_committed (put (writer, 1));
}

/* Scenarios --------------------------------------------------------------- */

typedef struct
{
  void (*before) (void);              /* in the parent: what was there */
  void (*begin) (void);               /* in the child, unharmed; or NULL */
  void (*act) (void);                 /* in the child, at any point of it */
  fc_writer_options_t (*heir) (void); /* what the next writer asks for */
  bool ends; /* the slot may be gone, and its count with it */
} scenario_t;

typedef struct victim
{
  const scenario_t *scenario;
  unsigned point;
  int signal;       /* that it gets there: SIGKILL, or SIGSTOP */
  bool housekeeper; /* the points are its housekeeper's, not its own */
  int ready, go;
} victim_t;

static void
pass_point (const victim_t *victim)
{
  if (is_main != victim->housekeeper && told->points++ == victim->point)
    kill (getpid (), victim->signal);
}

static void
act (void *arg)
{
  const victim_t *victim = arg;

  is_main = true;
  if (victim->scenario->begin)
    victim->scenario->begin ();
  event_post (victim->ready);
  event_wait (victim->go);
  armed = victim;
  victim->scenario->act ();
  armed = NULL;
  told->ended = true;
  /* Not even what it did well does it live to clean up. */
  kill (getpid (), SIGKILL);
}

static victim_t
victim_new (const scenario_t *scenario, int signal)
{
  if (!told)
    told = share (sizeof *told);
  return (victim_t){ .scenario = scenario,
                     .signal = signal,
                     .ready = event_new (),
                     .go = event_new () };
}

/* Begin, and be ready to act. */
static pid_t
raise_victim (const victim_t *victim)
{
  pid_t pid;

  told->points = 0;
  told->ended = false;
  pid = spawn (act, (void *) victim);
  event_wait (victim->ready);
  return pid;
}

static void
bury (pid_t pid)
{
  int status = reap (pid);

  if (!WIFSIGNALED (status) || WTERMSIG (status) != SIGKILL)
    test_fail (__FILE__, __LINE__, "not killed at point %u: status %#x",
               told->points, (unsigned) status);
}

/* Those who were attached ------------------------------------------------- */

typedef struct
{
  fc_consumer_t *consumer;
  uint64_t next;
  bool attached;
  bool slot_may_end; /* and another one begin, with a count of its own */
} reader_t;

static reader_t
reader_new (bool observe, bool slot_may_end)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);

  options.detached = 1;
  options.observe = observe;
  return (reader_t){ .consumer = consumer_with ("cam0", &options),
                     .slot_may_end = slot_may_end };
}

/* False where there is no slot now. */
static bool
attach_again (reader_t *reader)
{
  int ret = fc_consumer_attach (reader->consumer, 0);

  if (ret == -ENOENT)
    return false;
  if (!reader->attached || (ret == 1 && reader->slot_may_end))
    reader->next = consumer_stats (reader->consumer).first;
  else
    CHECK_OK (ret);
  reader->attached = true;
  return true;
}

/* Take what there is, in whatever ring there is. */
static void
follow (reader_t *reader)
{
  int ret;

  if (!reader->attached && !attach_again (reader))
    return;
  do
    {
      ret = drain (reader->consumer, &reader->next);
      if (ret == FC_TIMEOUT || ret == FC_WRITER_LOST)
        return;
      if (ret != FC_REPLACED && ret != FC_EOS)
        test_fail (__FILE__, __LINE__, "read returned %d, detail: %s", ret,
                   fc_error_detail ());
    }
  while (attach_again (reader));
}

static void
check_reader (const reader_t *reader)
{
  fc_consumer_stats_t stats = consumer_stats (reader->consumer);

  CHECK_EQ (stats.cursor, reader->next);
  CHECK_EQ (stats.delivered + stats.dropped, reader->next - stats.first);
}

/* What anybody may ask at any time ---------------------------------------- */

static int
count_slot (const fc_slot_stat_t *stat, void *user_data)
{
  CHECK (!strcmp (stat->name, "cam0"));
  CHECK_CMP (stat->head, >=, stat->oldest);
  ++*(unsigned *) user_data;
  return 0;
}

static int
no_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  (void) stat, (void) user_data;
  return 0;
}

static void
look (bool writer_is_dead)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_slot_view_t *view;
  unsigned slots = 0;
  int ret = fc_slot_stat (test_dir, "cam0", &stat);

  CHECK_OK (fc_slot_list (test_dir, count_slot, &slots));
  CHECK_EQ (slots, ret == 0);
  if (ret != -ENOENT)
    CHECK_OK (ret);
  CHECK_RET (fc_slot_view_open (&view, test_dir, "cam0"), ret);
  if (ret < 0)
    return;
  ret = fc_slot_view_stat (view, &stat);
  if (ret != FC_REPLACED)
    {
      CHECK_OK (ret);
      CHECK (!writer_is_dead || stat.state != FC_STATE_LIVE);
      CHECK_OK (fc_slot_view_consumers (view, no_consumer, NULL));
    }
  fc_slot_view_close (view);
}

/* Heirs ------------------------------------------------------------------- */

#define READERS 2

static uint64_t
bytes_free (void)
{
  struct statvfs vfs;

  CHECK_EQ (statvfs (test_dir, &vfs), 0);
  return (uint64_t) vfs.f_bavail * vfs.f_frsize;
}

/* The next writer opens at once, counts on, and is read by who was there. */
static void
inherit (const scenario_t *scenario, reader_t *reader)
{
  fc_writer_options_t options = scenario->heir ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  uint64_t head = writer_stats (writer).head;

  if (!scenario->ends || head > 0)
    {
      CHECK_CMP (head, >=, told->committed);
      CHECK_CMP (head, <=, told->committed + 1);
    }
  head = put (writer, 1) + 1;
  for (int i = 0; i < READERS; i++)
    {
      WAIT_UNTIL (
          (follow (&reader[i]), reader[i].attached && reader[i].next == head));
      check_reader (&reader[i]);
    }
  head = put (writer, options.ring_depth + 3) + 1;
  for (int i = 0; i < READERS; i++)
    {
      follow (&reader[i]);
      CHECK_EQ (reader[i].next, head);
      check_reader (&reader[i]);
    }
  CHECK_EQ (writer_stats (writer).dropped, 0);
  /* the housekeeper frees what the dead held */
  WAIT_UNTIL (writer_stats (writer).cells_leased == 0);
  fc_writer_close (writer);
}

/* Nothing is left, but for the files of a slot that is reserved. */
static void
clean_up (void)
{
  CHECK_CMP (fc_slot_gc (test_dir, NULL, 0), >=, 0);
  if (exists (in_dir ("cam0.ring")))
    {
      CHECK_EQ (slot_stat ("cam0").reserved, 1);
      CHECK (slot_stat ("cam0").state != FC_STATE_REMOVED);
      CHECK_EQ (count_files (test_dir), 3);
      CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
    }
  CHECK_EQ (count_files (test_dir), 0);
}

/* Whether anybody could lock it now. */
static bool
slot_is_free (void)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
  int fd = open (in_dir ("cam0.lock"), O_RDWR | O_CLOEXEC);

  if (fd < 0)
    return true;
  CHECK_EQ (fcntl (fd, F_OFD_GETLK, &lock), 0);
  close (fd);
  return lock.l_type == F_UNLCK;
}

/* The sentence names the writer where PID is that, else what it has locked. */
static void
check_busy (pid_t pid)
{
  char text[20];

  snprintf (text, sizeof text, "process %d;", pid);
  if (!strstr (fc_error_detail (), text))
    CHECK_DETAIL ("cam0.lock");
}

/* What is to be seen while it stands still, and is not dead. */
static void
stand_by (pid_t pid, reader_t *reader)
{
  fc_writer_options_t options = small_ring ();
  unsigned files = count_files (test_dir);
  fc_writer_t *writer;

  look (false);
  for (int i = 0; i < READERS; i++)
    follow (&reader[i]);
  if (slot_is_free ())
    return;
  CHECK_CMP (fc_slot_gc (test_dir, NULL, 0), >=, 0);
  CHECK_EQ (count_files (test_dir), files);
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EBUSY);
  check_busy (pid);
}

/* False where it has ended without a stop. */
static bool
wait_stopped (pid_t pid)
{
  siginfo_t info = { 0 };

  WAIT_UNTIL (
      waitid (P_PID, (id_t) pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT)
          == 0
      && info.si_pid == pid);
  if (info.si_code != CLD_STOPPED)
    return false;
  CHECK_EQ (waitid (P_PID, (id_t) pid, &info, WSTOPPED), 0);
  return true;
}

/* Let one come to its end, before the eyes of READER, if that is not NULL. */
static void
end_one (const victim_t *victim, reader_t *reader)
{
  pid_t pid = raise_victim (victim);

  for (int i = 0; reader && i < READERS; i++)
    follow (&reader[i]);
  event_post (victim->go);
  if (victim->signal == SIGSTOP && wait_stopped (pid))
    {
      stand_by (pid, reader);
      CHECK_EQ (kill (pid, SIGCONT), 0);
    }
  bury (pid);
  look (true);
  for (int i = 0; reader && i < READERS; i++)
    follow (&reader[i]);
}

static void
begin_scene (const scenario_t *scenario)
{
  *told = (told_t){ 0 };
  scenario->before ();
}

/* What the next writer does, where that is to be killed too. */
static void
succeed (void)
{
  fc_writer_options_t options = armed->scenario->heir ();

  put_told (writer_new ("cam0", &options));
}

/* Its end, and then that of HEIR, if that is not NULL, before the next one's
 * life. Returns whether the last of them came to its point. */
static bool
end_among_readers (const victim_t *victim, const victim_t *heir)
{
  const scenario_t *scenario = victim->scenario;
  reader_t reader[READERS];
  bool struck;

  for (int i = 0; i < READERS; i++)
    reader[i] = reader_new (i == 1, scenario->ends);
  begin_scene (scenario);
  end_one (victim, reader);
  if (heir)
    end_one (heir, reader);
  struck = told->points > (heir ? heir : victim)->point;
  /* who collects what is old leaves this to the next writer */
  if (victim->point % 4 < 2)
    CHECK_CMP (fc_slot_gc (test_dir, NULL, (uint64_t) (3600 * SEC)), >=, 0);
  inherit (scenario, reader);
  for (int i = 0; i < READERS; i++)
    {
      follow (&reader[i]);
      fc_consumer_close (reader[i].consumer);
    }
  return struck;
}

static bool
end_alone (const victim_t *victim, const victim_t *heir)
{
  (void) heir;
  begin_scene (victim->scenario);
  end_one (victim, NULL);
  return told->points > victim->point;
}

static void
check_clean (uint64_t free_before)
{
  clean_up ();
  CHECK_EQ (bytes_free (), free_before);
}

typedef bool (*end_func_t) (const victim_t *victim, const victim_t *heir);

/* Let it come to its end at every STEPth of its points, of which there are
 * LEAST at the least. */
static void
strike (victim_t *victim, end_func_t end, unsigned step, unsigned least)
{
  unsigned ends = 0;
  bool struck = true;
  uint64_t before;

  mount_tmpfs (test_dir, 8 << 20, 0);
  before = bytes_free ();
  for (; struck; victim->point += step, ends++)
    {
      struck = end (victim, NULL);
      check_clean (before);
    }
  CHECK_CMP (told->points, >=, least);
  fprintf (stderr, "# %u ends, of %u points\n", ends, told->points);
}

/* Kill at every STEPth point, and after that the next writer at every STEPth
 * one of its own. */
static void
strike_twice (const scenario_t *scenario, unsigned step, unsigned least)
{
  scenario_t next = { NULL, NULL, succeed, scenario->heir, false };
  victim_t victim = victim_new (scenario, SIGKILL),
           heir = victim_new (&next, SIGKILL);
  unsigned ends = 0;
  bool struck = true;
  uint64_t before;

  mount_tmpfs (test_dir, 8 << 20, 0);
  before = bytes_free ();
  for (; struck; victim.point += step)
    {
      bool again = true;

      for (heir.point = 0; again; heir.point += step, ends++)
        {
          again = end_among_readers (&victim, &heir);
          check_clean (before);
        }
      begin_scene (scenario);
      end_one (&victim, NULL);
      struck = told->points > victim.point;
      check_clean (before);
    }
  CHECK_CMP (ends, >=, least / step);
  fprintf (stderr, "# %u pairs\n", ends);
}

#endif /* FC_TEST_POINTS_H */
