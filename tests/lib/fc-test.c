/* The harness of libfc's tests: running, processes and files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <dirent.h>
#include <ftw.h>
#include <grp.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#define EXIT_SKIPPED 77
#define EVENTS_MAX 512

const char *test_dir;

static int events[EVENTS_MAX];
static unsigned event_count;

void
test_fail (const char *file, int line, const char *format, ...)
{
  char text[2048];
  va_list args;

  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  fprintf (stderr, "# %s:%d: [%d] %s\n", file, line, getpid (), text);
  fflush (NULL);
  _exit (1);
}

void
test_skip (const char *reason)
{
  fprintf (stderr, "# skipped: %s\n", reason);
  fflush (NULL);
  _exit (EXIT_SKIPPED);
}

/* Running --------------------------------------------------------------- */

static bool
selected (const char *name, int argc, char **argv)
{
  if (argc < 2)
    return true;
  for (int i = 1; i < argc; i++)
    if (!strcmp (name, argv[i]))
      return true;
  return false;
}

static _Noreturn void
run_test (const test_t *test)
{
  setpgid (0, 0);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  umask (022);
  unsetenv ("FC_DIR");
  test->func ();
  /* Not _exit (): the leak checker looks at exit. */
  exit (0);
}

/* True when PID has ended within BOUND. */
static bool
wait_bounded (pid_t pid, int64_t bound, int *status)
{
  int64_t until = now_ns () + bound;

  /* not by a pidfd: valgrind does not know them */
  while (waitpid (pid, status, WNOHANG) != pid)
    {
      if (now_ns () > until)
        return false;
      nap ();
    }
  return true;
}

static const char *
make_dir (void)
{
  static char path[200];
  const char *base = getenv ("FC_TEST_DIR");

  if (!base)
    base = access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv ("TMPDIR");
  snprintf (path, sizeof path, "%s/fc-test-XXXXXX", base ? base : "/tmp");
  if (!mkdtemp (path))
    {
      perror (path);
      exit (1);
    }
  return path;
}

/* Returns true where the test passed or was skipped. */
static bool
supervise (const test_t *test, size_t number)
{
  int64_t bound = (test->seconds ? test->seconds : 30) * SEC * slowness ();
  int status = 0;
  bool ended, ok, skipped;
  pid_t pid;

  test_dir = make_dir ();
  fflush (NULL);
  pid = fork ();
  if (pid == 0)
    run_test (test);
  setpgid (pid, pid);
  ended = wait_bounded (pid, bound, &status);
  kill (-pid, SIGKILL);
  while (waitpid (-1, NULL, 0) > 0 || errno == EINTR)
    ;
  remove_tree (test_dir);

  skipped = ended && WIFEXITED (status) && WEXITSTATUS (status) == EXIT_SKIPPED;
  ok = ended && WIFEXITED (status) && (WEXITSTATUS (status) == 0 || skipped);
  printf ("%sok %zu - %s", ok ? "" : "not ", number, test->name);
  if (skipped)
    printf (" # SKIP");
  else if (!ended)
    printf (" (took more than %d s)", (int) (bound / SEC));
  else if (WIFSIGNALED (status))
    printf (" (signal %d)", WTERMSIG (status));
  printf ("\n");
  fflush (stdout);
  return ok;
}

int
test_main (int argc, char **argv, const test_t *tests, size_t count)
{
  size_t chosen = 0, failed = 0, number = 0;

  /* What a test's children leave behind comes to us to be reaped. */
  prctl (PR_SET_CHILD_SUBREAPER, 1);
  signal (SIGPIPE, SIG_IGN);
  for (size_t i = 0; i < count; i++)
    chosen += selected (tests[i].name, argc, argv);
  printf ("1..%zu\n", chosen);
  for (size_t i = 0; i < count; i++)
    if (selected (tests[i].name, argc, argv))
      failed += !supervise (&tests[i], ++number);
  return chosen == 0 || failed > 0;
}

/* Time, chance, memory -------------------------------------------------- */

int64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * SEC + now.tv_nsec;
}

int64_t
slowness (void)
{
  const char *slow = getenv ("FC_TEST_SLOW");
  const char *preload = getenv ("LD_PRELOAD");

  if (slow && atoi (slow) > 0)
    return atoi (slow);
  return preload && strstr (preload, "vgpreload") ? 20 : 1;
}

unsigned
stride (unsigned usual)
{
  const char *every = getenv ("FC_TEST_EVERY");

  return !every ? usual : atoi (every) > 0 ? (unsigned) atoi (every) : 1;
}

void
nap (void)
{
  nanosleep (&(struct timespec){ 0, MS / 2 }, NULL);
}

uint64_t
chance (uint64_t *state)
{
  uint64_t z = *state += 0x9e3779b97f4a7c15u;

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void *
share (size_t size)
{
  void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  CHECK (memory != MAP_FAILED);
  return memory;
}

void
read_text (const char *path, char *text, size_t capacity)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  size_t size = 0;
  ssize_t got;

  CHECK (fd >= 0);
  while (size < capacity - 1
         && (got = read (fd, text + size, capacity - 1 - size)) > 0)
    size += (size_t) got;
  text[size] = 0;
  close (fd);
}

/* Processes ------------------------------------------------------------- */

int
event_new (void)
{
  int event = eventfd (0, EFD_SEMAPHORE | EFD_CLOEXEC);

  CHECK (event >= 0 && event_count < EVENTS_MAX);
  events[event_count++] = event;
  return event;
}

void
event_post (int event)
{
  uint64_t one = 1;

  CHECK_EQ (write (event, &one, sizeof one), sizeof one);
}

bool
event_poll (int event)
{
  struct pollfd ready = { event, POLLIN, 0 };
  uint64_t one;

  return poll (&ready, 1, 0) == 1 && read (event, &one, sizeof one) > 0;
}

static void
wait_readable (int fd, const char *or_what)
{
  struct pollfd ready = { fd, POLLIN, 0 };
  int64_t until = now_ns () + BOUND;

  while (poll (&ready, 1, 100) != 1)
    if (now_ns () > until)
      test_fail (__FILE__, __LINE__, "%s", or_what);
}

void
event_wait (int event)
{
  uint64_t one;

  wait_readable (event, "an event was never posted");
  CHECK_EQ (read (event, &one, sizeof one), sizeof one);
}

static bool
is_event (int fd)
{
  for (unsigned i = 0; i < event_count; i++)
    if (events[i] == fd)
      return true;
  return false;
}

static void
close_others (int keep)
{
  DIR *dir = opendir ("/proc/self/fd");
  struct dirent *entry;

  CHECK (dir != NULL);
  while ((entry = readdir (dir)))
    {
      int fd = atoi (entry->d_name);

      if (fd > 2 && fd != keep && fd != dirfd (dir) && !is_event (fd))
        close (fd);
    }
  closedir (dir);
}

pid_t
spawn (void (*func) (void *arg), void *arg)
{
  int ready[2];
  pid_t pid;
  char c;

  CHECK_EQ (pipe2 (ready, O_CLOEXEC), 0);
  fflush (NULL);
  pid = fork ();
  CHECK_CMP (pid, >=, 0);
  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      close_others (ready[1]);
      if (write (ready[1], "r", 1) != 1)
        _exit (1);
      close (ready[1]);
      func (arg);
      if (getenv ("FC_TEST_COVERAGE") != NULL)
        exit (0); /* which writes down what was reached */
      _exit (0);
    }
  close (ready[1]);
  wait_readable (ready[0], "a child never began to run");
  CHECK_EQ (read (ready[0], &c, 1), 1);
  close (ready[0]);
  return pid;
}

int
reap (pid_t pid)
{
  int status = 0;

  if (!wait_bounded (pid, BOUND, &status))
    test_fail (__FILE__, __LINE__, "child %d does not end", pid);
  return status;
}

void
reap_ok (pid_t pid)
{
  int status = reap (pid);

  if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
    test_fail (__FILE__, __LINE__, "child %d ended with %s %d", pid,
               WIFSIGNALED (status) ? "signal" : "exit code",
               WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
}

void
kill9 (pid_t pid)
{
  int status;

  CHECK_EQ (kill (pid, SIGKILL), 0);
  status = reap (pid);
  CHECK (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
}

void
stop (pid_t pid)
{
  int status;

  CHECK_EQ (kill (pid, SIGSTOP), 0);
  CHECK_EQ (waitpid (pid, &status, WUNTRACED), pid);
  CHECK (WIFSTOPPED (status));
}

void
cont (pid_t pid)
{
  int status;

  CHECK_EQ (kill (pid, SIGCONT), 0);
  CHECK_EQ (waitpid (pid, &status, WCONTINUED), pid);
  CHECK (WIFCONTINUED (status));
}

pthread_t
thread_new (void *(*func) (void *arg), void *arg)
{
  pthread_t thread;

  CHECK_EQ (pthread_create (&thread, NULL, func, arg), 0);
  return thread;
}

void
thread_join (pthread_t thread)
{
  struct timespec until;

  clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec += BOUND / SEC;
  CHECK_EQ (pthread_timedjoin_np (thread, NULL, &until), 0);
}

/* Files ----------------------------------------------------------------- */

const char *
in_dir (const char *format, ...)
{
  static char paths[4][400];
  static unsigned turn;
  char *path = paths[turn++ % 4];
  int length = snprintf (path, sizeof paths[0], "%s/", test_dir);
  va_list args;

  va_start (args, format);
  vsnprintf (path + length, sizeof paths[0] - (size_t) length, format, args);
  va_end (args);
  return path;
}

const char *
table_path (const char *slot)
{
  static char path[400];
  DIR *dir = opendir (test_dir);
  char start[80];
  struct dirent *entry;
  unsigned found = 0;

  CHECK (dir != NULL);
  snprintf (start, sizeof start, ".%s.", slot);
  while ((entry = readdir (dir)))
    {
      const char *dot = strrchr (entry->d_name, '.');

      if (strncmp (entry->d_name, start, strlen (start)) || !dot
          || strcmp (dot, ".consumers"))
        continue;
      found++;
      snprintf (path, sizeof path, "%s/%s", test_dir, entry->d_name);
    }
  closedir (dir);
  CHECK_EQ (found, 1);
  return path;
}

unsigned
count_files (const char *path)
{
  DIR *dir = opendir (path);
  struct dirent *entry;
  unsigned count = 0;

  CHECK (dir != NULL);
  while ((entry = readdir (dir)))
    count += strcmp (entry->d_name, ".") && strcmp (entry->d_name, "..");
  closedir (dir);
  return count;
}

bool
exists (const char *path)
{
  struct stat st;

  return lstat (path, &st) == 0;
}

static int
remove_one (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  (void) st, (void) type, (void) ftw;
  remove (path);
  return 0;
}

void
remove_tree (const char *dir)
{
  nftw (dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

bool
am_root (void)
{
  return geteuid () == 0;
}

void
write_text (const char *path, const char *format, ...)
{
  char text[80];
  int fd = open (path, O_WRONLY | O_CLOEXEC), length;
  va_list args;

  va_start (args, format);
  length = vsnprintf (text, sizeof text, format, args);
  va_end (args);
  CHECK (fd >= 0);
  CHECK_EQ (write (fd, text, (size_t) length), length);
  close (fd);
}

void
mount_tmpfs (const char *dir, size_t size, unsigned inodes)
{
  uid_t uid = getuid ();
  gid_t gid = getgid ();
  char options[80];

  if (unshare (am_root () ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS))
    test_skip ("no mount namespace may be made here");
  if (uid != 0)
    {
      write_text ("/proc/self/setgroups", "deny");
      write_text ("/proc/self/uid_map", "%u %u 1", uid, uid);
      write_text ("/proc/self/gid_map", "%u %u 1", gid, gid);
    }
  CHECK_EQ (mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
  snprintf (options, sizeof options, "mode=0700,size=%zu,nr_inodes=%u", size,
            inodes);
  CHECK_EQ (mount ("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, options), 0);
}

void
become_nobody (void)
{
  CHECK_EQ (setgroups (0, NULL), 0);
  CHECK_EQ (setresgid (NOBODY, NOBODY, NOBODY), 0);
  CHECK_EQ (setresuid (NOBODY, NOBODY, NOBODY), 0);
  /* Another identity clears the wish to end with the parent. */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}
