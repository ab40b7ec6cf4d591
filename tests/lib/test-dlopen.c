/* libfc as a module that comes and goes, and twice in one process.
 *
 * The copies are files of their own: to the dynamic linker another library.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

/* What the tests call of a copy. */
typedef struct
{
  void *module;
  __typeof__ (fc_writer_open) *writer_open;
  __typeof__ (fc_writer_write) *writer_write;
  __typeof__ (fc_writer_close) *writer_close;
  __typeof__ (fc_consumer_open) *consumer_open;
  __typeof__ (fc_consumer_lease) *consumer_lease;
  __typeof__ (fc_consumer_release) *consumer_release;
  __typeof__ (fc_consumer_close) *consumer_close;
  __typeof__ (fc_error_detail) *error_detail;
} copy_t;

/* A path by which a copy of the library's file can be loaded: no directory
 * where files may be run has to be there for it. */
static const char *
copy_file (void)
{
  static char path[64];
  struct stat st;
  Dl_info info;
  off_t at = 0;
  int from, into;

  CHECK (dladdr ((void *) fc_version, &info) != 0);
  from = open (info.dli_fname, O_RDONLY | O_CLOEXEC);
  CHECK (from >= 0);
  CHECK_EQ (fstat (from, &st), 0);
  into = memfd_create ("libfc", 0);
  CHECK (into >= 0);
  while (at < st.st_size)
    CHECK_CMP (sendfile (into, from, &at, (size_t) (st.st_size - at)), >, 0);
  close (from);
  snprintf (path, sizeof path, "/proc/self/fd/%d", into);
  return path;
}

static void
find (const copy_t *copy, const char *name, void *function)
{
  void *found = dlsym (copy->module, name);

  CHECK (found != NULL);
  memcpy (function, &found, sizeof found);
}

static copy_t
load (const char *path)
{
  copy_t copy;

  copy.module = dlopen (path, RTLD_NOW | RTLD_LOCAL);
  if (copy.module == NULL)
    test_fail (__FILE__, __LINE__, "%s", dlerror ());
  find (&copy, "fc_writer_open", &copy.writer_open);
  find (&copy, "fc_writer_write", &copy.writer_write);
  find (&copy, "fc_writer_close", &copy.writer_close);
  find (&copy, "fc_consumer_open", &copy.consumer_open);
  find (&copy, "fc_consumer_lease", &copy.consumer_lease);
  find (&copy, "fc_consumer_release", &copy.consumer_release);
  find (&copy, "fc_consumer_close", &copy.consumer_close);
  find (&copy, "fc_error_detail", &copy.error_detail);
  CHECK (copy.writer_open != fc_writer_open);
  return copy;
}

static void
pass_a_frame (const copy_t *copy)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_OLDEST);
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  fc_writer_t *writer;

  CHECK_OK (copy->writer_open (&writer, "cam0", &options));
  CHECK_OK (copy->consumer_open (&consumer, "cam0", &other));
  CHECK_OK (copy->writer_write (writer, "bytes", 5, NULL, NULL));
  CHECK_OK (copy->consumer_lease (consumer, &frame, BOUND));
  copy->consumer_release (consumer, &frame);
  copy->consumer_close (consumer);
  copy->writer_close (writer);
}

/* How many mappings the process has. */
static unsigned
count_mappings (void)
{
  FILE *maps = fopen ("/proc/self/maps", "re");
  unsigned lines = 0;
  int c;

  CHECK (maps != NULL);
  while ((c = fgetc (maps)) != EOF)
    lines += c == '\n';
  fclose (maps);
  return lines;
}

static void *
use_in_a_thread (void *arg)
{
  pass_a_frame (arg);
  return NULL;
}

static void
loaded_and_unloaded_again_and_again (void)
{
  const char *path = copy_file ();
  unsigned files = 0, mappings = 0, threads = 0;

  for (int round = 0; round < 100; round++)
    {
      copy_t copy = load (path);

      thread_join (thread_new (use_in_a_thread, &copy));
      pass_a_frame (&copy);
      CHECK_EQ (dlclose (copy.module), 0);
      if (round == 9)
        {
          files = count_files ("/proc/self/fd");
          mappings = count_mappings ();
          threads = count_files ("/proc/self/task");
        }
    }
  CHECK_EQ (count_files ("/proc/self/fd"), files);
  WAIT_UNTIL (count_files ("/proc/self/task") == threads);
  /* An allocator may have an arena more; not one for each round. */
  CHECK_CMP (count_mappings (), <, mappings + 30);
}

static void
attach_and_die (void *attached)
{
  consumer_new ("cam0", FC_START_LIVE);
  event_post (*(int *) attached);
  kill (getpid (), SIGKILL);
}

/* A writer that is not closed has a thread in the library's code. */
static void
forgotten_writer_survives_its_library (void)
{
  fc_writer_options_t options = small_ring ();
  copy_t copy = load (copy_file ());
  int attached = event_new ();
  fc_writer_t *writer;
  pid_t pid;

  CHECK_OK (copy.writer_open (&writer, "cam0", &options));
  CHECK_EQ (dlclose (copy.module), 0);
  pid = spawn (attach_and_die, &attached);
  event_wait (attached);
  reap (pid);
  WAIT_UNTIL (slot_stat ("cam0").consumers == 0);
}

/* As where two plug-ins have one each. */
static void
two_copies_share_a_slot (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_OLDEST);
  fc_writer_t *writer = writer_new ("cam0", &options), *second = NULL;
  copy_t copy = load (copy_file ());
  fc_consumer_t *own = consumer_new ("cam0", FC_START_OLDEST), *consumer;
  fc_frame_t frame = FC_FRAME_INIT;
  uint64_t next = 0;

  CHECK_RET (copy.writer_open (&second, "cam0", &options), -EBUSY);
  CHECK (strstr (copy.error_detail (), "live writer") != NULL);
  CHECK (strstr (fc_error_detail (), "live writer") == NULL);
  /* Which opens by a function that is public itself. */
  CHECK_RET (copy.consumer_open (&consumer, "never", &other), -ENOENT);
  CHECK (strstr (copy.error_detail (), "slot never") != NULL);
  CHECK_OK (copy.consumer_open (&consumer, "cam0", &other));
  CHECK_EQ (writer_stats (writer).consumers, 2);
  put (writer, 1);
  CHECK_OK (copy.consumer_lease (consumer, &frame, BOUND));
  put (writer, 12);
  CHECK (whole (frame.data, frame.size, 0));
  CHECK_RET (drain (own, &next), FC_TIMEOUT);
  fc_consumer_close (own);
  CHECK_EQ (fc_slot_gc (test_dir, NULL, 0), 0);
  CHECK_EQ (writer_stats (writer).consumers, 1);
  CHECK (whole (frame.data, frame.size, 0));
  copy.consumer_release (consumer, &frame);
  copy.consumer_close (consumer);
  fc_writer_close (writer);
  CHECK_OK (copy.writer_open (&second, "cam0", &options));
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EBUSY);
  copy.writer_close (second);
}

static const test_t tests[] = {
  TEST (loaded_and_unloaded_again_and_again),
  TEST (forgotten_writer_survives_its_library),
  TEST (two_copies_share_a_slot),
};
TEST_MAIN (tests)
