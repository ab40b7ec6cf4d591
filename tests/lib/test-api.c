/* What every call does with arguments that it was not made for.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test.h"

/* Sizes that no struct of this library has or will have had. */
static const uint32_t odd_sizes[] = { 0, 1, 3, 1u << 20, UINT32_MAX };

#define CHECK_SIZES(what, field, good, call)                                   \
  do                                                                           \
    {                                                                          \
      for (unsigned i_ = 0; i_ < sizeof odd_sizes / sizeof odd_sizes[0]; i_++) \
        {                                                                      \
          (what).field = odd_sizes[i_];                                        \
          CHECK_RET (call, -EINVAL);                                           \
          CHECK (fc_error_detail ()[0] != 0);                                  \
        }                                                                      \
      (what).field = (good);                                                   \
    }                                                                          \
  while (0)

static int
no_slot (const fc_slot_stat_t *stat, void *user_data)
{
  (void) stat, (void) user_data;
  return 0;
}

static void
struct_sizes_are_checked (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_writer_stats_t written = FC_WRITER_STATS_INIT;
  fc_consumer_stats_t taken = FC_CONSUMER_STATS_INIT;
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_plan_t plan = { .struct_size = sizeof plan };
  fc_info_t info = FC_INFO_INIT;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_writer_t *writer = NULL;
  fc_consumer_t *consumer = NULL;
  fc_slot_view_t *view;

  CHECK_SIZES (options, struct_size, sizeof options,
               fc_writer_open (&writer, "cam0", &options));
  CHECK_SIZES (options, struct_size, sizeof options, fc_plan (&options, &plan));
  CHECK_SIZES (options, struct_size, sizeof options,
               fc_slot_reserve ("cam0", &options));
  CHECK_SIZES (plan, struct_size, sizeof plan, fc_plan (&options, &plan));
  CHECK_EQ (count_files (test_dir), 0);
  writer = writer_new ("cam0", &options);
  CHECK_SIZES (options, struct_size, sizeof options,
               fc_writer_renew (writer, &options));
  CHECK_SIZES (frame, struct_size, sizeof frame,
               fc_writer_acquire (writer, &frame));
  CHECK_SIZES (info, struct_size, sizeof info,
               fc_writer_write (writer, "x", 1, &info, NULL));
  CHECK_SIZES (written, struct_size, sizeof written,
               fc_writer_stats (writer, &written));
  CHECK_OK (fc_writer_write (writer, "x", 1, &info, NULL));
  CHECK_RET (fc_writer_write (writer, NULL, 1, NULL, NULL), -EINVAL);
  CHECK_SIZES (stat, struct_size, sizeof stat,
               fc_slot_stat (test_dir, "cam0", &stat));
  CHECK_OK (fc_slot_view_open (&view, test_dir, "cam0"));
  CHECK_SIZES (stat, struct_size, sizeof stat, fc_slot_view_stat (view, &stat));
  fc_slot_view_close (view);
  CHECK_SIZES (other, struct_size, sizeof other,
               fc_consumer_open (&consumer, "cam0", &other));
  other.position.start = FC_START_OLDEST;
  consumer = consumer_with ("cam0", &other);
  CHECK_SIZES (frame, struct_size, sizeof frame,
               fc_consumer_read (consumer, &frame, 0));
  CHECK_SIZES (frame, struct_size, sizeof frame,
               fc_consumer_lease (consumer, &frame, 0));
  CHECK_SIZES (taken, struct_size, sizeof taken,
               fc_consumer_stats (consumer, &taken));
  CHECK_OK (fc_consumer_read (consumer, &frame, 0));
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
commit_checks_what_it_is_given (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_frame_t frame = FC_FRAME_INIT;

  /* not acquired */
  CHECK_RET (fc_writer_commit (writer, &frame), -EINVAL);
  CHECK_RET (fc_writer_commit_hold (writer, &frame), -EINVAL);
  CHECK_OK (fc_writer_acquire (writer, &frame));
  frame.info.struct_size = 3;
  CHECK_RET (fc_writer_commit (writer, &frame), -EINVAL);
  CHECK_EQ (writer_stats (writer).cells_out, 0);
  CHECK_EQ (writer_stats (writer).head, 0);
  fc_writer_close (writer);
}

static void
missing_arguments_are_refused (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_plan_t plan = { .struct_size = sizeof plan };
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_writer_t *writer = NULL;
  fc_consumer_t *consumer = NULL;

  fc_writer_close (NULL);
  fc_consumer_close (NULL);
  CHECK_RET (fc_writer_open (&writer, NULL, &options), -EINVAL);
  CHECK_RET (fc_writer_open (&writer, "cam0", NULL), -EINVAL);
  CHECK_RET (fc_consumer_open (&consumer, NULL, &other), -EINVAL);
  CHECK_RET (fc_slot_stat (test_dir, NULL, &stat), -EINVAL);
  CHECK_RET (fc_slot_reserve (NULL, &options), -EINVAL);
  CHECK_RET (fc_slot_remove (test_dir, NULL, 0), -EINVAL);
  CHECK_RET (fc_plan (NULL, &plan), -EINVAL);
  CHECK_OK (fc_slot_list (test_dir, no_slot, NULL));
  CHECK (writer == NULL && consumer == NULL);
}

/* Defaults are what the header says. */
static void
zero_is_the_default (void)
{
  fc_writer_options_t options = { .struct_size = sizeof options };
  fc_consumer_options_t other = { .struct_size = sizeof other };
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  fc_slot_stat_t stat;

  options.dir = other.dir = test_dir;
  options.frame_size = 1000;
  writer = writer_new ("cam0", &options);
  stat = slot_stat ("cam0");
  CHECK_EQ (stat.ring_depth, 120);
  CHECK_EQ (stat.max_consumers, 64);
  CHECK_EQ (stat.leases, 4);
  CHECK_EQ (stat.writer_cells, 2);
  CHECK_EQ (stat.access, FC_SHARE_USER);
  CHECK_EQ (stat.trust, FC_SHARE_USER);
  CHECK_EQ (stat.latency_ns, 0);
  CHECK_EQ (stat.head, 0);
  CHECK_OK (fc_writer_write (writer, "x", 1, NULL, NULL));
  consumer = consumer_with ("cam0", &other);
  CHECK_EQ (consumer_stats (consumer).cursor, 1);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
options_out_of_range_are_refused (void)
{
  fc_writer_options_t good = small_ring (), options;
  fc_writer_t *writer = NULL;

#define REFUSED(field, value)                                                  \
  do                                                                           \
    {                                                                          \
      options = good;                                                          \
      options.field = (value);                                                 \
      CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EINVAL);         \
      CHECK (fc_error_detail ()[0] != 0);                                      \
    }                                                                          \
  while (0)
  REFUSED (frame_size, 0);
  REFUSED (frame_size, UINT64_MAX);
  REFUSED (frame_size, INT64_MAX);
  REFUSED (frame_size, 1ull << 62);
  REFUSED (ring_depth, 1);
  REFUSED (ring_depth, UINT32_MAX);
  REFUSED (ring_depth, FC_CELLS_MAX);
  REFUSED (leases, 1);
  REFUSED (leases, UINT32_MAX);
  REFUSED (max_consumers, UINT32_MAX);
  REFUSED (max_consumers, 20000);
  REFUSED (writer_cells, UINT32_MAX);
  REFUSED (format, NULL);
  REFUSED (access, (fc_share_t) -1);
  REFUSED (observers, 2);
  REFUSED (first_seq, UINT64_MAX);
#undef REFUSED
  CHECK_EQ (count_files (test_dir), 0);
}

static void
consumer_options_out_of_range_are_refused (void)
{
  fc_consumer_options_t good = from (FC_START_LIVE), options;
  fc_consumer_t *consumer = NULL;

#define REFUSED(field, value)                                                  \
  do                                                                           \
    {                                                                          \
      options = good;                                                          \
      options.field = (value);                                                 \
      CHECK_RET (fc_consumer_open (&consumer, "cam0", &options), -EINVAL);     \
      CHECK (fc_error_detail ()[0] != 0);                                      \
    }                                                                          \
  while (0)
  REFUSED (on_lap, (fc_on_lap_t) (FC_ON_LAP_KEY + 1));
  REFUSED (position.start, (fc_start_t) (FC_START_AGO + 1));
  REFUSED (position.key, 2);
  REFUSED (observe, 2);
  REFUSED (detached, 2);
  REFUSED (trust_uid_set, 2);
  REFUSED (use_fds, 2);
#undef REFUSED
  CHECK (consumer == NULL);
}

/* A path that would not fit in what tells of it. */
static void
directory_with_a_long_path_is_refused (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = NULL;
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  char path[300];

  memset (path, '/', sizeof path - 1);
  path[sizeof path - 1] = '\0';
  options.dir = path;
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -ENAMETOOLONG);
  CHECK_DETAIL ("the slot directory's path has 299 bytes; the limit is 255");
  CHECK_RET (fc_slot_stat (path, "cam0", &stat), -ENAMETOOLONG);
}

static void
consumer_without_options_has_the_defaults (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer;

  CHECK_EQ (setenv ("FC_DIR", test_dir, 1), 0);
  put (writer, 2);
  CHECK_OK (fc_consumer_open (&consumer, "cam0", NULL));
  CHECK_EQ (consumer_stats (consumer).cursor, 2);
  CHECK_EQ (consumer_stats (consumer).observing, 0);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
}

static void
error_detail_is_never_null (void)
{
  CHECK (fc_error_detail () != NULL);
  CHECK (fc_version () != NULL && strchr (fc_version (), '.'));
}

static void *
fail_otherwise (void *arg)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };

  CHECK (fc_error_detail () != NULL);
  CHECK (!strstr (fc_error_detail (), "mine"));
  CHECK_RET (fc_slot_stat (test_dir, arg, &stat), -ENOENT);
  CHECK_DETAIL (arg);
  return NULL;
}

static void
error_detail_is_each_threads_own (void)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  char theirs[] = "theirs";
  const char *kept;

  CHECK_RET (fc_slot_stat (test_dir, "mine", &stat), -ENOENT);
  kept = fc_error_detail ();
  CHECK (strstr (kept, "mine"));
  thread_join (thread_new (fail_otherwise, theirs));
  CHECK (kept == fc_error_detail () && strstr (kept, "mine"));
  /* a call that succeeds leaves it alone */
  CHECK_OK (fc_slot_list (test_dir, no_slot, NULL));
  CHECK (strstr (fc_error_detail (), "mine"));
}

typedef struct
{
  _Atomic int lines;
  _Atomic int bad;
} logged_t;

static void
note (fc_log_level_t level, const char *message, void *user_data)
{
  logged_t *logged = user_data;

  logged->lines++;
  if (level < FC_LOG_ERROR || level > FC_LOG_DEBUG || !*message
      || strchr (message, '\n'))
    logged->bad++;
}

static void
log_goes_to_the_handles_own_function (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  logged_t by_writer = { 0 }, by_consumer = { 0 };
  fc_consumer_t *consumer;
  fc_writer_t *writer;

  options.log = other.log = note;
  options.log_data = &by_writer;
  other.log_data = &by_consumer;
  other.observe = 1;
  writer = writer_new ("cam0", &options);
  consumer = consumer_with ("cam0", &other);
  options.frame_size = 100;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  CHECK_CMP (by_writer.lines, >, 0);
  CHECK_CMP (by_consumer.lines, >, 0);
  CHECK_EQ (by_writer.bad + by_consumer.bad, 0);
}

static void
nothing_is_printed (void)
{
  fc_writer_options_t options = small_ring ();
  int saved = dup (2), fd = open (in_dir ("out"), O_CREAT | O_RDWR, 0600);
  fc_consumer_t *consumer = NULL;
  fc_writer_t *writer;
  struct stat st;

  CHECK_EQ (dup2 (fd, 2), 2);
  writer = writer_new ("cam0", &options);
  put (writer, 10);
  fc_consumer_open (&consumer, "gone", &(fc_consumer_options_t){ 0 });
  fc_writer_write (writer, NULL, 1 << 30, NULL, NULL);
  fc_writer_close (writer);
  CHECK_EQ (dup2 (saved, 2), 2);
  CHECK_EQ (fstat (fd, &st), 0);
  CHECK_EQ (st.st_size, 0);
}

static void
handles_leave_no_descriptor_behind (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  unsigned before, threads;

  /* a sanitizer's own thread comes with the first other one */
  fc_writer_close (writer_new ("cam0", &options));
  before = count_files ("/proc/self/fd");
  threads = count_files ("/proc/self/task");
  for (int i = 0; i < 20; i++)
    {
      fc_writer_t *writer = writer_new ("cam0", &options), *busy = NULL;
      fc_consumer_t *consumer[3], *gone = NULL;

      CHECK_RET (fc_writer_open (&busy, "cam0", &options), -EBUSY);
      CHECK_RET (fc_consumer_open (&gone, "gone", &other), -ENOENT);
      for (int j = 0; j < 3; j++)
        {
          other.observe = j == 2;
          consumer[j] = consumer_with ("cam0", &other);
        }
      options.frame_size ^= 4096;
      CHECK_RET (fc_writer_renew (writer, &options), 1);
      put_size (writer, 100);
      CHECK_RET (fc_consumer_read (consumer[0], &(fc_frame_t) FC_FRAME_INIT, 0),
                 FC_REPLACED);
      CHECK_OK (fc_consumer_attach (consumer[0], BOUND));
      CHECK_OK (fc_slot_list (test_dir, no_slot, NULL));
      slot_stat ("cam0");
      for (int j = 0; j < 3; j++)
        fc_consumer_close (consumer[j]);
      fc_writer_close (writer);
      CHECK_RET (fc_slot_gc (test_dir, NULL, 0), 0);
    }
  CHECK_EQ (count_files ("/proc/self/fd"), before);
  WAIT_UNTIL (count_files ("/proc/self/task") <= threads);
}

static void
nothing_of_a_closed_slot_stays_mapped (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_t *consumer = consumer_new ("cam0", FC_START_LIVE);
  static char maps[1 << 20];
  uint64_t next = 0;

  put (writer, 3);
  take (consumer, &next);
  options.frame_size *= 2;
  CHECK_RET (fc_writer_renew (writer, &options), 1);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  read_text ("/proc/self/maps", maps, sizeof maps);
  CHECK (!strstr (maps, test_dir));
}

static const test_t tests[] = {
  TEST (struct_sizes_are_checked),
  TEST (commit_checks_what_it_is_given),
  TEST (missing_arguments_are_refused),
  TEST (zero_is_the_default),
  TEST (options_out_of_range_are_refused),
  TEST (consumer_options_out_of_range_are_refused),
  TEST (directory_with_a_long_path_is_refused),
  TEST (consumer_without_options_has_the_defaults),
  TEST (error_detail_is_never_null),
  TEST (error_detail_is_each_threads_own),
  TEST (log_goes_to_the_handles_own_function),
  TEST (nothing_is_printed),
  TEST (handles_leave_no_descriptor_behind),
  TEST (nothing_of_a_closed_slot_stays_mapped),
};
TEST_MAIN (tests)
