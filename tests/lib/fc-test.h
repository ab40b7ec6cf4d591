/* The harness of libfc's tests: libc only, like the library itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Each test runs in a process of its own, leader of a process group, with a
 * fresh slot directory and a bound on its time. Whatever way it ends, what
 * it forked is killed and reaped and its directory is removed by the process
 * that started it, so a crash or a hang of one test is that test's failure
 * and nobody else's. Results are TAP.
 *
 * Waiting is always for something: an event, a child, a condition that is
 * looked at again; and always with a bound that fails the test.
 */
#ifndef FC_TEST_H
#define FC_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fc.h"

#define MS 1000000LL
#define SEC 1000000000LL
/* A consumer looks whether its writer lives after each slice of waiting. */
#define SLICE (250 * MS)
/* Longest wait for something that has to happen. */
#define BOUND (20 * SEC * slowness ())

typedef struct
{
  const char *name;
  void (*func) (void);
  unsigned seconds; /* bound; 0: 30 */
} test_t;

#define TEST(func)                                                             \
  {                                                                            \
#func, func, 0                                                             \
  }
#define SLOW_TEST(func, seconds)                                               \
  {                                                                            \
#func, func, seconds                                                       \
  }
#define TEST_MAIN(tests)                                                       \
  int main (int argc, char **argv)                                             \
  {                                                                            \
    return test_main (argc, argv, tests, sizeof tests / sizeof tests[0]);      \
  }

int test_main (int argc, char **argv, const test_t *tests, size_t count);

/* The running test's own slot directory, mode 0700. */
extern const char *test_dir;

_Noreturn void test_fail (const char *file, int line, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));
_Noreturn void test_skip (const char *reason);

#define CHECK(cond)                                                            \
  do                                                                           \
    {                                                                          \
      if (!(cond))                                                             \
        test_fail (__FILE__, __LINE__, "not true: %s", #cond);                 \
    }                                                                          \
  while (0)

#define CHECK_CMP(a, op, b)                                                    \
  do                                                                           \
    {                                                                          \
      __typeof__ (a) a_ = (a);                                                 \
      __typeof__ (b) b_ = (b);                                                 \
      if (!(a_ op b_))                                                         \
        test_fail (__FILE__, __LINE__, "not true: %s %s %s (%lld and %lld)",   \
                   #a, #op, #b, (long long) a_, (long long) b_);               \
    }                                                                          \
  while (0)

#define CHECK_EQ(a, b)                                                         \
  do                                                                           \
    {                                                                          \
      long long a_ = (long long) (a), b_ = (long long) (b);                    \
      if (a_ != b_)                                                            \
        test_fail (__FILE__, __LINE__, "%s is %lld, not %s, which is %lld",    \
                   #a, a_, #b, b_);                                            \
    }                                                                          \
  while (0)

/* A call of libfc that has to return EXPECTED. */
#define CHECK_RET(call, expected)                                              \
  do                                                                           \
    {                                                                          \
      int r_ = (call), e_ = (expected);                                        \
      if (r_ != e_)                                                            \
        test_fail (__FILE__, __LINE__,                                         \
                   "%s returned %d (%s), not %s; detail: %s", #call, r_,       \
                   r_ < 0 ? strerror (-r_) : "no error", #expected,            \
                   fc_error_detail ());                                        \
    }                                                                          \
  while (0)
#define CHECK_OK(call) CHECK_RET (call, 0)

/* The sentence of the last error has to have PART in it. */
#define CHECK_DETAIL(part)                                                     \
  do                                                                           \
    {                                                                          \
      if (!strstr (fc_error_detail (), (part)))                                \
        test_fail (__FILE__, __LINE__, "no \"%s\" in: %s",                     \
                   (const char *) (part), fc_error_detail ());                 \
    }                                                                          \
  while (0)

/* Look at COND again and again until it is true. */
#define WAIT_UNTIL(cond)                                                       \
  do                                                                           \
    {                                                                          \
      int64_t until_ = now_ns () + BOUND;                                      \
      while (!(cond))                                                          \
        {                                                                      \
          if (now_ns () > until_)                                              \
            test_fail (__FILE__, __LINE__, "never came true: %s", #cond);      \
          nap ();                                                              \
        }                                                                      \
    }                                                                          \
  while (0)

/* Time, chance, memory ------------------------------------------------- */

int64_t now_ns (void);
/* How many times slower than alone and at full speed things may be here:
 * FC_TEST_SLOW, or more under valgrind. */
int64_t slowness (void);
/* From one of many places that are tried to the next. To try each takes many
 * minutes, so that is done only with FC_TEST_EVERY=1; with N it is each Nth. */
unsigned stride (unsigned usual);
/* The pause between two looks at a condition: half a millisecond. */
void nap (void);
/* Next number of the stream whose state is *STATE, good for tests. */
uint64_t chance (uint64_t *state);
/* Zeroed memory that children share; for the life of the test. */
void *share (size_t size);
void read_text (const char *path, char *text, size_t capacity);
/* Into a file that is there, in one write. */
void write_text (const char *path, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

/* Processes ------------------------------------------------------------ */

/* An event counts posts, between threads and processes. */
int event_new (void);
void event_post (int event);
void event_wait (int event);
/* Whether the event was posted, without waiting. */
bool event_poll (int event);

/* Fork a child that runs FUNC (ARG) and exits. It keeps the events and the
 * standard descriptors only: a copy of the parent's descriptors would keep
 * the parent's locks alive. It has let go of them when this returns. */
pid_t spawn (void (*func) (void *arg), void *arg);
/* Wait for the child's end. Returns its status. */
int reap (pid_t pid);
/* Wait for the child's end, which has to be a good one. */
void reap_ok (pid_t pid);
void kill9 (pid_t pid);
/* Send SIGSTOP and wait until the child has stopped. */
void stop (pid_t pid);
void cont (pid_t pid);

pthread_t thread_new (void *(*func) (void *arg), void *arg);
void thread_join (pthread_t thread);

/* Slots ---------------------------------------------------------------- */

/* Built for ThreadSanitizer, libfc maps a file once for all that a process
 * does with it, and so for writing. */
#if defined(__SANITIZE_THREAD__)
#define ONE_MAPPING 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ONE_MAPPING 1
#endif
#endif
#ifndef ONE_MAPPING
#define ONE_MAPPING 0
#endif

/* Options of a small ring in the test's directory: depth 4, frames of 8192
 * bytes, 8 consumers. */
fc_writer_options_t small_ring (void);
fc_consumer_options_t from (fc_start_t start);

fc_writer_t *writer_new (const char *slot, const fc_writer_options_t *options);
fc_consumer_t *consumer_new (const char *slot, fc_start_t start);
fc_consumer_t *consumer_with (const char *slot,
                              const fc_consumer_options_t *options);
fc_writer_stats_t writer_stats (fc_writer_t *writer);
fc_consumer_stats_t consumer_stats (fc_consumer_t *consumer);
fc_slot_stat_t slot_stat (const char *slot);
/* How many consumers of the slot sleep until the next frame. */
unsigned slot_waiting (const char *slot);

/* Contents that tell from which frame they are, in each eight bytes. */
void fill (void *data, size_t size, uint64_t seq);
bool whole (const void *data, size_t size, uint64_t seq);

/* Write one frame of SIZE bytes that fill () made; returns its seq. Only one
 * thread may write meanwhile. */
uint64_t put_size (fc_writer_t *writer, size_t size);
/* Write COUNT such frames of 8192 bytes; returns the last one's seq. */
uint64_t put (fc_writer_t *writer, unsigned count);

/* What a consumer has to see: *NEXT is the first seq that it may get, and
 * becomes the seq after FRAME's. */
void check_frame (const fc_frame_t *frame, int ret, uint64_t *next);
/* Read or lease and release one frame, which has to come. */
fc_frame_t take (fc_consumer_t *consumer, uint64_t *next);
/* Read frames until there is none; returns what the last call said. */
int drain (fc_consumer_t *consumer, uint64_t *next);
/* delivered + dropped == cursor - first. */
void check_counts (fc_consumer_t *consumer);

/* Files ---------------------------------------------------------------- */

/* The path of a file in the test's directory, in one of four buffers. */
const char *in_dir (const char *format, ...)
    __attribute__ ((format (printf, 1, 2)));
/* The path of the slot's consumer table; there has to be exactly one. */
const char *table_path (const char *slot);
/* How many entries the directory has. */
unsigned count_files (const char *dir);
bool exists (const char *path);
void remove_tree (const char *dir);

/* Whether the test may do what only root may. */
bool am_root (void);
/* Move to a mount namespace of one's own and mount a tmpfs of that many
 * bytes and inodes (0: no limit) on DIR. Skips the test where neither root
 * nor a user namespace is to be had. */
void mount_tmpfs (const char *dir, size_t size, unsigned inodes);
/* Become nobody, for good. */
void become_nobody (void);
#define NOBODY 65534

#endif /* FC_TEST_H */
