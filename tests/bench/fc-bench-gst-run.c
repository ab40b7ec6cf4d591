/* The GStreamer bench's runs: processes, the windows that are measured, and
 * what the processes used meanwhile.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <ftw.h>

#include "fc-bench-gst.h"

/* A transport in which nothing moves for so long has stalled. */
#define STALLED (5 * SEC)
/* The bench looks so often, which is seldom enough to disturb nobody. */
#define LOOK (10 * MS)
/* A pipeline that did not end within so long is killed. */
#define LEAVE (3 * SEC)

static pid_t writer, consumers[MAX_CONSUMERS], bares[MAX_CONSUMERS];
static int shared_fd = -1;
int64_t started_at;

/* Processes ---------------------------------------------------------------- */

static pid_t
spawn (const char *role, unsigned index)
{
  char number[16], fd[16];
  pid_t pid;

  snprintf (number, sizeof number, "%u", index);
  snprintf (fd, sizeof fd, "%d", shared_fd);
  fflush (NULL);
  started_at = now_ns ();
  pid = fork ();
  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      execl ("/proc/self/exe", "fc-bench-gst", "--role", role, number, fd,
             NULL);
      _exit (127);
    }
  if (pid < 0)
    {
      perror ("fork");
      exit (1);
    }
  return pid;
}

static bool
has_left (pid_t pid)
{
  siginfo_t info = { 0 };

  return waitid (P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0
         && info.si_pid == pid;
}

static bool
one_has_left (void)
{
  bool left = writer > 0 && has_left (writer);

  for (unsigned i = 0; i < shared->config.consumers; i++)
    left |= consumers[i] > 0 && has_left (consumers[i]);
  return left;
}

static void
await_leave (pid_t *pid, int64_t until)
{
  if (*pid <= 0)
    return;
  while (!has_left (*pid) && now_ns () < until)
    sleep_until (now_ns () + MS);
  end (*pid);
  *pid = 0;
}

/* Waiting ------------------------------------------------------------------ */

static uint64_t
progress (void)
{
  uint64_t sum = atomic_load (&shared->sent);

  for (unsigned i = 0; i < shared->config.consumers; i++)
    sum += atomic_load (&shared->consumer[i].received);
  return sum + shared->negotiated;
}

static bool
in_vain (const char *why)
{
  fprintf (stderr, "%s: %s\n", shared->config.transport, why);
  return false;
}

/* Until IS_TRUE (ARG), for at most LIMIT ns. */
static bool
await (bool (*is_true) (uint64_t arg), uint64_t arg, int64_t limit)
{
  int64_t end = now_ns () + limit, moved = now_ns ();
  uint64_t before = progress ();

  while (!is_true (arg))
    {
      int64_t now = now_ns ();

      if (atomic_load (&shared->broken) || one_has_left ())
        return in_vain ("a pipeline failed");
      if (now - moved > STALLED)
        return in_vain ("stalled: nothing moved for 5 s");
      if (now > end)
        return in_vain ("stalled: a consumer did not get what it should");
      if (progress () != before)
        {
          before = progress ();
          moved = now;
        }
      sleep_until (now + LOOK);
    }
  return true;
}

static bool
is_negotiated (uint64_t arg)
{
  return atomic_load (&shared->negotiated);
}

static bool
have_received (uint64_t frames)
{
  bool have = atomic_load (&shared->sent) >= frames;

  for (unsigned i = 0; i < shared->config.consumers; i++)
    have &= atomic_load (&shared->consumer[i].received) >= frames;
  for (unsigned i = 0; i < shared->config.bares; i++)
    have &= atomic_load (&shared->consumer[i].bare_ready);
  return have;
}

static bool
window_is_done (uint64_t frames)
{
  uint64_t last = atomic_load (&shared->first) + frames - 1;
  bool done = atomic_load (&shared->done) == atomic_load (&shared->ordered);

  for (unsigned i = 0; done && i < shared->config.consumers; i++)
    done &= atomic_load (&shared->consumer[i].last_seq) >= last;
  return done;
}

/* Runs --------------------------------------------------------------------- */

static void
make_shared (void)
{
  shared_fd = memfd_create ("fc-bench-gst", 0);
  if (shared_fd < 0 || ftruncate (shared_fd, sizeof *shared) != 0)
    {
      perror ("memfd_create");
      exit (1);
    }
  map_shared (shared_fd);
}

void
map_shared (int fd)
{
  shared
      = mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared != MAP_FAILED)
    return;
  perror ("mmap");
  exit (1);
}

void
start_run (const config_t *config)
{
  make_shared ();
  shared->config = *config;
  strcpy (shared->config.dir, "/dev/shm/fc-bench-XXXXXX");
  if (!mkdtemp (shared->config.dir))
    {
      perror (shared->config.dir);
      exit (1);
    }
  atomic_store (&shared->first, NO_SEQ);
  for (unsigned i = 0; i <= MAX_CONSUMERS; i++)
    sem_init (&shared->quit[i], 1, 0);
  for (unsigned i = 0; i < MAX_CONSUMERS; i++)
    sem_init (&shared->consumer[i].bare, 1, 0);
}

bool
start_writer (void)
{
  writer = spawn ("writer", 0);
  return await (is_negotiated, 0, 20 * SEC);
}

void
start_consumer (unsigned index)
{
  consumers[index] = spawn ("consumer", index);
}

void
start_bare (unsigned index)
{
  bares[index] = spawn ("bare", index);
}

/* Until each consumer has had so many frames since its start. */
bool
await_frames (uint64_t frames)
{
  return await (have_received, frames, 30 * SEC);
}

/* RATE is in frames/s, 0: as fast as it goes. */
bool
run_window (double rate, uint64_t frames)
{
  int64_t limit = 30 * SEC;

  if (rate > 0)
    limit += (int64_t) ((double) frames / rate * 4e9);
  atomic_store (&shared->first, NO_SEQ);
  for (unsigned i = 0; i < shared->config.consumers; i++)
    {
      consumer_t *seen = &shared->consumer[i];

      atomic_store (&seen->in_window, 0);
      atomic_store (&seen->in_place, 0);
      atomic_store (&seen->disorder, 0);
    }
  shared->rate = rate;
  shared->frames = frames;
  atomic_fetch_add (&shared->ordered, 1);
  if (!await (window_is_done, frames, limit))
    return false;
  for (unsigned i = 0; i < shared->config.consumers; i++)
    if (shared->consumer[i].disorder > 0)
      return in_vain ("frames came out of their order");
  return true;
}

/* Frames of the window that the consumer who fared worst did not get. */
uint64_t
lost_frames (void)
{
  uint64_t least = shared->frames;

  for (unsigned i = 0; i < shared->config.consumers; i++)
    least = MIN (least, shared->consumer[i].in_window);
  return shared->frames - least;
}

static int
remove_one (const char *path, const struct stat *stat, int flag,
            struct FTW *level)
{
  return remove (path);
}

/* What a shmsink leaves when it is killed. */
static void
remove_shm_areas (pid_t pid)
{
  for (int i = 0; i < 16; i++)
    {
      char name[64];

      snprintf (name, sizeof name, "/shmpipe.%5d.%5d", (int) pid, i);
      shm_unlink (name);
    }
}

void
end_run (void)
{
  pid_t was_writer = writer;
  int64_t until = now_ns () + LEAVE;

  atomic_store (&shared->leave, true);
  for (unsigned i = 0; i <= MAX_CONSUMERS; i++)
    sem_post (&shared->quit[i]);
  for (unsigned i = 0; i < MAX_CONSUMERS; i++)
    {
      await_leave (&consumers[i], until);
      await_leave (&bares[i], 0);
    }
  await_leave (&writer, until);
  if (was_writer > 0)
    remove_shm_areas (was_writer);
  nftw (shared->config.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  munmap (shared, sizeof *shared);
  close (shared_fd);
  shared = NULL;
}

/* Cost --------------------------------------------------------------------- */

/* User and system time of all its threads. */
static int64_t
cpu_of (pid_t pid)
{
  struct timespec used;
  clockid_t clock;

  if (pid <= 0 || clock_getcpuclockid (pid, &clock) != 0
      || clock_gettime (clock, &used) != 0)
    return 0;
  return used.tv_sec * SEC + used.tv_nsec;
}

/* Daemons between writer and consumers, by $FC_BENCH_DAEMONS, are of it. */
static void
for_daemons (void (*func) (pid_t pid, void *sum), void *sum)
{
  const char *list = getenv ("FC_BENCH_DAEMONS");

  if (list == NULL || strcmp (shared->config.transport, "pipewire") != 0)
    return;
  for (char *rest; *list; list = rest)
    {
      pid_t pid = (pid_t) strtol (list, &rest, 10);

      if (rest == list)
        return;
      func (pid, sum);
    }
}

static void
add_cpu (pid_t pid, void *sum)
{
  *(int64_t *) sum += cpu_of (pid);
}

int64_t
cpu_of_consumers (void)
{
  int64_t sum = 0;

  for (unsigned i = 0; i < shared->config.consumers; i++)
    sum += cpu_of (consumers[i]);
  return sum;
}

int64_t
cpu_of_all (void)
{
  int64_t sum = cpu_of (writer) + cpu_of_consumers ();

  for (unsigned i = 0; i < shared->config.bares; i++)
    sum += cpu_of (bares[i]);
  for_daemons (add_cpu, &sum);
  return sum;
}

/* Memory that is shared counts once, by each one's share of it. */
static void
add_bytes (pid_t pid, void *sum)
{
  unsigned long long kib;
  char path[64], line[256];
  FILE *file;

  snprintf (path, sizeof path, "/proc/%d/smaps_rollup", (int) pid);
  file = fopen (path, "re");
  if (file == NULL)
    return;
  while (fgets (line, sizeof line, file))
    if (sscanf (line, "Pss: %llu kB", &kib) == 1)
      *(uint64_t *) sum += kib * 1024;
  fclose (file);
}

uint64_t
bytes_of_all (void)
{
  uint64_t sum = 0;

  add_bytes (writer, &sum);
  for (unsigned i = 0; i < shared->config.consumers; i++)
    add_bytes (consumers[i], &sum);
  for_daemons (add_bytes, &sum);
  return sum;
}
