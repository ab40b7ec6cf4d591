/* What tools and the registry ask of slots.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sys/inotify.h>

#include "fc-test.h"

typedef struct
{
  char names[8][FC_NAME_MAX + 1];
  unsigned count;
  unsigned stop_after;
} seen_t;

static int
see (const fc_slot_stat_t *stat, void *user_data)
{
  seen_t *seen = user_data;

  CHECK (!strcmp (stat->dir, test_dir));
  CHECK_EQ (stat->struct_size, sizeof *stat);
  strcpy (seen->names[seen->count++], stat->name);
  return seen->count == seen->stop_after ? 42 : 0;
}

static void
list_is_in_the_order_of_names (void)
{
  static const char *names[] = { "zoo", "cam10", "a", "cam2", "B" };
  static const char *sorted[] = { "B", "a", "cam10", "cam2", "zoo" };
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer[5];
  seen_t seen = { .count = 0 };
  int fd;

  CHECK_OK (fc_slot_list (test_dir, see, &seen));
  CHECK_EQ (seen.count, 0);
  for (int i = 0; i < 5; i++)
    writer[i] = writer_new (names[i], &options);
  fd = open (in_dir ("noise.ring"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  CHECK_EQ (write (fd, "noise", 5), 5);
  close (fd);
  CHECK_EQ (mkdir (in_dir ("folder.ring"), 0700), 0);
  CHECK_OK (fc_slot_list (test_dir, see, &seen));
  CHECK_EQ (seen.count, 5);
  for (int i = 0; i < 5; i++)
    CHECK (!strcmp (seen.names[i], sorted[i]));
  seen = (seen_t){ .stop_after = 2 };
  CHECK_RET (fc_slot_list (test_dir, see, &seen), 42);
  CHECK_EQ (seen.count, 2);
  for (int i = 0; i < 5; i++)
    fc_writer_close (writer[i]);
}

typedef struct
{
  char paths[4][64];
  unsigned count;
  unsigned stop_after;
} dirs_t;

static int
see_dir (const char *path, void *user_data)
{
  dirs_t *dirs = user_data;

  CHECK_CMP (strlen (path), <, sizeof dirs->paths[0]);
  CHECK_CMP (dirs->count, <, 4u);
  strcpy (dirs->paths[dirs->count++], path);
  return dirs->count == dirs->stop_after ? 42 : 0;
}

static void
dirs_are_those_that_a_consumer_looks_in (void)
{
  dirs_t dirs = { .count = 0 };
  char own[64];

  CHECK_OK (fc_slot_dirs ("/no/such/place", see_dir, &dirs));
  CHECK_EQ (dirs.count, 1);
  CHECK (!strcmp (dirs.paths[0], "/no/such/place"));
  CHECK_EQ (setenv ("FC_DIR", test_dir, 1), 0);
  dirs.count = 0;
  CHECK_OK (fc_slot_dirs (NULL, see_dir, &dirs));
  CHECK_EQ (dirs.count, 1);
  CHECK (!strcmp (dirs.paths[0], test_dir));
  CHECK_EQ (unsetenv ("FC_DIR"), 0);
  dirs.count = 0;
  CHECK_OK (fc_slot_dirs (NULL, see_dir, &dirs));
  CHECK_EQ (dirs.count, 2);
  CHECK (!strcmp (dirs.paths[0], "/dev/shm/framecache"));
  snprintf (own, sizeof own, "/dev/shm/framecache-%u", (unsigned) geteuid ());
  CHECK (!strcmp (dirs.paths[1], own));
  dirs = (dirs_t){ .stop_after = 1 };
  CHECK_RET (fc_slot_dirs ("", see_dir, &dirs), 42);
  CHECK_EQ (dirs.count, 1);
}

/* Whether anything with MASK happened to the slot's ring since the last call.
 */
static bool
ring_had (int watch, uint32_t mask)
{
  _Alignas(struct inotify_event) char events[4096];
  bool had = false;
  ssize_t n;

  while ((n = read (watch, events, sizeof events)) > 0)
    for (ssize_t at = 0; at < n;)
      {
        struct inotify_event event;

        memcpy (&event, events + at, sizeof event);
        had |= (event.mask & mask) != 0
               && !strcmp (events + at + sizeof event, "cam0.ring");
        at += (ssize_t) (sizeof event + event.len);
      }
  CHECK_EQ (errno, EAGAIN);
  return had;
}

/* That is how programs that watch the directory learn of it. */
static void
begin_and_end_show_in_the_directory (void)
{
  fc_writer_options_t options = small_ring ();
  int watch = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  fc_writer_t *writer;

  CHECK_CMP (
      inotify_add_watch (watch, test_dir, IN_ATTRIB | IN_MOVED_TO | IN_DELETE),
      >=, 0);
  CHECK_OK (fc_slot_reserve ("cam0", &options));
  CHECK (ring_had (watch, IN_MOVED_TO));
  writer = writer_new ("cam0", &options);
  CHECK (ring_had (watch, IN_ATTRIB));
  put (writer, 3);
  CHECK (!ring_had (watch, IN_ALL_EVENTS));
  CHECK_OK (fc_writer_finish (writer));
  CHECK (ring_had (watch, IN_ATTRIB));
  put (writer, 1);
  CHECK (ring_had (watch, IN_ATTRIB));
  fc_writer_close (writer);
  CHECK (ring_had (watch, IN_ATTRIB));
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
  CHECK (ring_had (watch, IN_DELETE));
  close (watch);
}

/* A slot that is reserved without a format keeps room for any: of a format,
 * a plan needs the size alone. */
static void
plan_of_a_format_needs_its_size_alone (void)
{
  fc_writer_options_t options = small_ring ();
  fc_plan_t plan = { .struct_size = sizeof plan };

  options.format = NULL;
  options.format_size = FC_FORMAT_MAX;
  CHECK_OK (fc_plan (&options, &plan));
  CHECK_RET (fc_slot_reserve ("cam0", &options), -EINVAL);
  options.format_size = 0;
  CHECK_OK (fc_slot_reserve ("cam0", &options));
  CHECK_EQ (slot_stat ("cam0").bytes_allocated, plan.bytes_initial);
  CHECK_EQ (slot_stat ("cam0").bytes_planned, plan.bytes_planned);
}

static void
stat_says_what_the_slot_is (void)
{
  fc_writer_options_t options = small_ring ();
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_consumer_t *consumer;
  fc_writer_t *writer;
  fc_plan_t plan = { .struct_size = sizeof plan };
  int64_t before = now_ns ();

  CHECK_RET (fc_slot_stat (test_dir, "cam0", &stat), -ENOENT);
  CHECK_DETAIL ("cam0");
  CHECK_EQ (chmod (test_dir, 01777), 0);
  options.first_seq = 50;
  options.access = FC_SHARE_ALL;
  options.trust = FC_SHARE_GROUP;
  options.leases = 3;
  options.writer_cells = 5;
  options.latency_ns = 33;
  CHECK_OK (fc_plan (&options, &plan));
  writer = writer_new ("cam0", &options);
  stat = slot_stat ("cam0");
  CHECK_EQ (stat.oldest, 50);
  CHECK_EQ (stat.newest_commit_ns, FC_TIME_NONE);
  CHECK (stat.frame_rate == 0 && stat.bit_rate == 0);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  put (writer, 10);
  CHECK_OK (fc_writer_set_sticky (writer, "x", 1));
  stat = slot_stat ("cam0");
  CHECK_EQ (stat.state, FC_STATE_LIVE);
  CHECK (!strcmp (stat.name, "cam0"));
  CHECK (!strcmp (stat.dir, test_dir));
  CHECK_EQ (stat.frame_size, 8192);
  CHECK_EQ (stat.ring_depth, 4);
  CHECK_EQ (stat.max_consumers, 8);
  CHECK_EQ (stat.leases, 3);
  CHECK_EQ (stat.writer_cells, 5);
  CHECK_EQ (stat.access, FC_SHARE_ALL);
  CHECK_EQ (stat.trust, FC_SHARE_GROUP);
  CHECK_EQ (stat.reserved, 0);
  CHECK_EQ (stat.writer_pid, getpid ());
  CHECK_EQ (stat.writer_uid, getuid ());
  CHECK_EQ (stat.consumers, 1);
  CHECK_CMP (stat.sticky, >, 0u);
  CHECK_EQ (stat.head, 60);
  CHECK_EQ (stat.first_seq, 50);
  CHECK_EQ (stat.oldest, 56);
  CHECK_EQ (stat.bytes_total, 10 * 8192);
  CHECK_EQ (stat.bytes_planned, plan.bytes_planned);
  CHECK_EQ (stat.latency_ns, 33);
  CHECK_CMP ((int64_t) stat.newest_commit_ns, >=, before);
  CHECK_CMP ((int64_t) stat.newest_commit_ns, <=, now_ns ());
  CHECK_EQ (stat.format_size, 11);
  fc_consumer_close (consumer);
  CHECK_EQ (slot_stat ("cam0").consumers, 0);
  fc_writer_close (writer);
}

static void
rates_are_those_of_the_history (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;
  fc_slot_stat_t stat;
  int64_t start, took;

  options.ring_depth = 20;
  writer = writer_new ("cam0", &options);
  put (writer, 1);
  start = now_ns ();
  for (int i = 0; i < 10; i++)
    {
      nanosleep (&(struct timespec){ 0, 5 * MS }, NULL);
      put (writer, 1);
    }
  took = now_ns () - start;
  stat = slot_stat ("cam0");
  CHECK (stat.frame_rate > 0.9 * 10e9 / (double) took);
  CHECK (stat.frame_rate < 10e9 / (10 * 5.0 * MS));
  CHECK (stat.bit_rate > 0.9 * stat.frame_rate * 8192 * 8);
  CHECK (stat.bit_rate < 1.2 * stat.frame_rate * 8192 * 8);
  fc_writer_close (writer);
}

static int
see_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  fc_consumer_stat_t *stats = user_data;
  unsigned n = strcmp (stat->name, "first") ? 1 : 0;

  CHECK_EQ (stats[n].pid, 0);
  stats[n] = *stat;
  return 0;
}

static void
consumers_are_listed_with_their_counts (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_options_t other = from (FC_START_LIVE);
  fc_writer_t *writer = writer_new ("cam0", &options);
  fc_consumer_stat_t stats[2] = { { 0 }, { 0 } };
  fc_consumer_t *consumer[2];
  fc_frame_t frame = FC_FRAME_INIT;
  uint64_t next = 0;

  other.name = "first";
  consumer[0] = consumer_with ("cam0", &other);
  /* a name that is too long is cut, not refused */
  other.name = "a name of more than thirty-one bytes in all";
  consumer[1] = consumer_with ("cam0", &other);
  put (writer, 10);
  take (consumer[0], &next);
  CHECK_CMP (fc_consumer_lease (consumer[0], &frame, 0), >=, 0);
  CHECK_OK (fc_slot_consumers (test_dir, "cam0", see_consumer, stats));
  CHECK (!strncmp (stats[1].name, other.name, 31));
  CHECK_EQ (strlen (stats[1].name), 31);
  CHECK_EQ (stats[0].pid, getpid ());
  CHECK_EQ (stats[0].uid, getuid ());
  CHECK_EQ (stats[0].cursor, 8);
  CHECK_EQ (stats[0].delivered, 2);
  CHECK_EQ (stats[0].dropped, 6);
  CHECK_EQ (stats[0].leases, 1);
  CHECK_EQ (stats[0].waiting, 0);
  CHECK_EQ (stats[1].cursor, 0);
  CHECK (stats[0].entry != stats[1].entry);
  CHECK_CMP (stats[0].attached_wall_ns, >, 1600000000u * (uint64_t) SEC);
  fc_consumer_release (consumer[0], &frame);
  fc_consumer_close (consumer[0]);
  fc_consumer_close (consumer[1]);
  CHECK_OK (fc_slot_consumers (test_dir, "cam0", see_consumer, NULL));
  CHECK_RET (fc_slot_consumers (test_dir, "gone", see_consumer, NULL), -ENOENT);
  fc_writer_close (writer);
}

static void
format_is_the_writers (void)
{
  fc_writer_options_t options = small_ring ();
  fc_consumer_t *consumer;
  fc_writer_t *writer = NULL;
  char *format = malloc (FC_FORMAT_MAX + 1), *copy = malloc (FC_FORMAT_MAX);
  const void *data;
  size_t size;

  fill (format, FC_FORMAT_MAX + 1, 5);
  options.format = format;
  options.format_size = FC_FORMAT_MAX + 1;
  CHECK_RET (fc_writer_open (&writer, "cam0", &options), -EMSGSIZE);
  options.format_size = FC_FORMAT_MAX;
  writer = writer_new ("cam0", &options);
  consumer = consumer_new ("cam0", FC_START_LIVE);
  CHECK_OK (fc_consumer_format (consumer, &data, &size));
  CHECK_EQ (size, FC_FORMAT_MAX);
  CHECK (!memcmp (data, format, size));
  CHECK_OK (fc_slot_format (test_dir, "cam0", copy, FC_FORMAT_MAX, &size));
  CHECK_EQ (size, FC_FORMAT_MAX);
  CHECK (!memcmp (copy, format, size));
  size = 0;
  CHECK_RET (fc_slot_format (test_dir, "cam0", copy, 10, &size), -EMSGSIZE);
  CHECK_EQ (size, FC_FORMAT_MAX);
  CHECK_EQ (slot_stat ("cam0").format_size, FC_FORMAT_MAX);
  fc_consumer_close (consumer);
  fc_writer_close (writer);

  /* none at all is a format too */
  options.format = NULL;
  options.format_size = 0;
  writer = writer_new ("cam0", &options);
  CHECK_OK (fc_slot_format (test_dir, "cam0", copy, 10, &size));
  CHECK_EQ (size, 0);
  fc_writer_close (writer);
  free (format);
  free (copy);
}

static uint64_t
bytes_of (const char *path)
{
  struct stat st;

  CHECK_EQ (stat (path, &st), 0);
  CHECK_EQ (st.st_blocks * 512, (st.st_size + 4095) / 4096 * 4096);
  return (uint64_t) st.st_blocks * 512;
}

static void
plan_is_what_is_taken_to_the_byte (void)
{
  static const struct
  {
    uint64_t frame_size;
    uint32_t depth, consumers, leases, cells, format;
  } cases[] = {
    { 1, 2, 1, 2, 1, 0 },           { 4096, 2, 1, 2, 1, 10 },
    { 4097, 3, 2, 3, 2, 4096 },     { 8192, 120, 64, 4, 2, 11 },
    { 3110400, 8, 3, 4, 2, 100 },   { 100, 1000, 100, 16, 9, 100000 },
    { 65536, 7, 1000, 2, 3, 1000 }, { 12345, 33, 65, 5, 4, 1 << 20 },
  };
  char *format = calloc (1, FC_FORMAT_MAX);

  for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      fc_writer_options_t options = small_ring ();
      fc_plan_t plan = { .struct_size = sizeof plan };
      fc_writer_t *writer;
      uint64_t taken;

      options.frame_size = cases[i].frame_size;
      options.ring_depth = cases[i].depth;
      options.max_consumers = cases[i].consumers;
      options.leases = cases[i].leases;
      options.writer_cells = cases[i].cells;
      options.format = format;
      options.format_size = cases[i].format;
      CHECK_OK (fc_plan (&options, &plan));
      CHECK (!strcmp (plan.dir, test_dir));
      CHECK_EQ (plan.fits, 1);
      CHECK_EQ (plan.cells_planned, cases[i].depth
                                        + cases[i].consumers * cases[i].leases
                                        + cases[i].cells);
      writer = writer_new ("cam0", &options);
      taken = bytes_of (in_dir ("cam0.ring")) + bytes_of (table_path ("cam0"));
      CHECK_EQ (taken, plan.bytes_initial);
      CHECK_EQ (writer_stats (writer).bytes_allocated, plan.bytes_initial);
      CHECK_EQ (writer_stats (writer).cells, plan.cells_initial);
      CHECK_EQ (slot_stat ("cam0").bytes_allocated, plan.bytes_initial);
      CHECK_EQ (slot_stat ("cam0").bytes_planned, plan.bytes_planned);
      CHECK_CMP (plan.bytes_planned, >=, plan.bytes_initial);
      fc_writer_close (writer);
    }
  free (format);
}

static void
plan_refuses_what_can_not_be_made (void)
{
  fc_writer_options_t options = small_ring ();
  fc_plan_t plan = { .struct_size = sizeof plan };

  options.max_consumers = 10000;
  options.leases = 10;
  CHECK_RET (fc_plan (&options, &plan), -EINVAL);
  options = small_ring ();
  options.frame_size = 0;
  CHECK_RET (fc_plan (&options, &plan), -EINVAL);
  options = small_ring ();
  options.dir = in_dir ("gone");
  CHECK_RET (fc_plan (&options, &plan), -ENOENT);
  CHECK_EQ (count_files (test_dir), 0);
}

/* The most that leases can come to is taken only when they are taken. */
static void
most_is_taken_only_when_leased (void)
{
  fc_writer_options_t options = small_ring ();
  fc_plan_t plan = { .struct_size = sizeof plan };
  fc_writer_t *writer;

  options.max_consumers = 64;
  CHECK_OK (fc_plan (&options, &plan));
  writer = writer_new ("cam0", &options);
  put (writer, 1000);
  CHECK_EQ (slot_stat ("cam0").bytes_allocated, plan.bytes_initial);
  CHECK_CMP (plan.bytes_planned, >, plan.bytes_initial + 200 * 8192);
  fc_writer_close (writer);
}

static const test_t tests[] = {
  TEST (list_is_in_the_order_of_names),
  TEST (dirs_are_those_that_a_consumer_looks_in),
  TEST (begin_and_end_show_in_the_directory),
  TEST (plan_of_a_format_needs_its_size_alone),
  TEST (stat_says_what_the_slot_is),
  TEST (rates_are_those_of_the_history),
  TEST (consumers_are_listed_with_their_counts),
  TEST (format_is_the_writers),
  TEST (plan_is_what_is_taken_to_the_byte),
  TEST (plan_refuses_what_can_not_be_made),
  TEST (most_is_taken_only_when_leased),
};
TEST_MAIN (tests)
