/* Files that are not what they should be: an error with a sentence, at open
 * or later; never a crash, and never a frame that is not one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-test-bytes.h"

static bytes_t ring, table;

static void
live (void *arg)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = writer_new ("cam0", &options);

  CHECK_OK (fc_writer_set_sticky (writer, "sticky", 6));
  put (writer, 7);
  event_post (*(int *) arg);
  for (;;)
    pause ();
}

/* What a killed writer leaves: good files that nobody has mapped. */
static void
make_files (void)
{
  int ready = event_new ();
  pid_t pid = spawn (live, &ready);

  event_wait (ready);
  kill9 (pid);
  ring = bytes_load (in_dir ("cam0.ring"));
  table = bytes_load (table_path ("cam0"));
}

static void
restore (void)
{
  bytes_store (&ring, ring.size);
  bytes_store (&table, table.size);
}

static int
look (const fc_slot_stat_t *stat, void *user_data)
{
  (void) stat, (void) user_data;
  return 0;
}

static int
look_at_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  (void) stat, (void) user_data;
  return 0;
}

/* All that looks at a slot, with what it gets checked for sense. Returns
 * what fc_consumer_open () said. */
static int
try_everything (uint32_t observe)
{
  fc_consumer_options_t options = from (FC_START_OLDEST);
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_consumer_t *consumer = NULL;
  static char block[FC_STICKY_MAX];
  size_t size;
  int ret;

  if (fc_slot_stat (test_dir, "cam0", &stat) < 0)
    CHECK (fc_error_detail ()[0] != 0);
  fc_slot_consumers (test_dir, "cam0", look_at_consumer, NULL);
  fc_slot_format (test_dir, "cam0", block, sizeof block, &size);
  CHECK_OK (fc_slot_list (test_dir, look, NULL));
  options.observe = observe;
  ret = fc_consumer_open (&consumer, "cam0", &options);
  if (ret < 0)
    {
      CHECK (consumer == NULL);
      CHECK (fc_error_detail ()[0] != 0);
      return ret;
    }
  for (int i = 0; i < 6; i++)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      const fc_position_t oldest = { .start = FC_START_OLDEST };
      int got = i % 2 && !observe ? fc_consumer_lease (consumer, &frame, 0)
                                  : fc_consumer_read (consumer, &frame, 0);
      volatile const char *bytes = frame.data;

      if (got == FC_OK || got == FC_DROPPED)
        {
          CHECK_CMP (frame.size, <=, 1u << 20);
          for (size_t b = 0; b < frame.size; b += 512)
            (void) bytes[b];
          bytes = frame.info.meta;
          CHECK_CMP (frame.info.meta_size, <=, FC_META_MAX);
          for (size_t b = 0; b < frame.info.meta_size; b++)
            (void) bytes[b];
          if (i % 2 && !observe)
            fc_consumer_release (consumer, &frame);
        }
      fc_consumer_sticky (consumer, block, sizeof block, &size, NULL);
      if (i == 3)
        fc_consumer_seek (consumer, &oldest);
    }
  fc_consumer_close (consumer);
  return ret;
}

/* A writer that finds such files makes good ones, or says why not. */
static void
try_to_write (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer = NULL;
  int ret = fc_writer_open (&writer, "cam0", &options);

  if (ret < 0)
    {
      CHECK (fc_error_detail ()[0] != 0);
      return;
    }
  put (writer, 9);
  fc_consumer_close (consumer_new ("cam0", FC_START_OLDEST));
  fc_writer_close (writer);
}

static void
good_files_are_good (void)
{
  make_files ();
  for (int i = 0; i < 3; i++)
    {
      restore ();
      CHECK_OK (try_everything (0));
      CHECK_OK (try_everything (1));
    }
  try_to_write ();
  CHECK (!exists (ring.path));
}

static void
ring_cut_short_at_any_length (void)
{
  const fc_ring_header_t *header;
  size_t step = 1;

  make_files ();
  header = (const fc_ring_header_t *) ring.data;
  for (size_t size = 0; size < ring.size; size += step)
    {
      int ret;

      bytes_store (&ring, size);
      ret = try_everything (0);
      CHECK (ret == -EPROTO || (ret == 0 && size >= header->cells_offset));
      if (ret == -EPROTO)
        CHECK_DETAIL ("cam0");
      CHECK_RET (try_everything (1), ret);
      step = size < sizeof *header ? 1 : 509;
    }
  for (size_t size = 0; size < ring.size; size += 4001)
    {
      bytes_store (&ring, size);
      try_to_write ();
      restore ();
    }
}

static void
table_cut_short_at_any_length (void)
{
  make_files ();
  for (size_t size = 0; size < table.size; size += size < 128 ? 1 : 61)
    {
      bytes_store (&table, size);
      CHECK_RET (try_everything (0), -EPROTO);
      CHECK_OK (try_everything (1));
    }
  for (size_t size = 0; size < table.size; size += 301)
    {
      bytes_store (&table, size);
      try_to_write ();
      restore ();
    }
}

static void
zeroes_and_noise_are_not_a_ring (void)
{
  uint64_t random = 1;

  make_files ();
  for (int i = 0; i < 40; i++)
    {
      bytes_t noise = ring;

      noise.data = calloc (1, ring.size);
      for (size_t b = 0; i > 0 && b < ring.size; b++)
        noise.data[b] = (uint8_t) chance (&random);
      bytes_store (&noise, ring.size);
      CHECK_RET (try_everything (0), -EPROTO);
      CHECK_RET (try_everything (1), -EPROTO);
      if (i < 3)
        {
          try_to_write ();
          restore ();
        }
      free (noise.data);
    }
}

typedef struct
{
  const char *name;
  size_t offset;
  size_t size;
} field_t;

#define FIELD(type, field)                                                     \
  {                                                                            \
#field, offsetof(type, field), sizeof(((type *) 0)->field)                 \
  }

static const field_t ring_fields[] = {
  FIELD (fc_ring_header_t, magic),
  FIELD (fc_ring_header_t, layout_version),
  FIELD (fc_ring_header_t, header_size),
  FIELD (fc_ring_header_t, byte_order),
  FIELD (fc_ring_header_t, page_size),
  FIELD (fc_ring_header_t, frame_size),
  FIELD (fc_ring_header_t, cell_stride),
  FIELD (fc_ring_header_t, ring_depth),
  FIELD (fc_ring_header_t, cells_planned),
  FIELD (fc_ring_header_t, max_consumers),
  FIELD (fc_ring_header_t, leases),
  FIELD (fc_ring_header_t, writer_cells),
  FIELD (fc_ring_header_t, words_offset),
  FIELD (fc_ring_header_t, map_offset),
  FIELD (fc_ring_header_t, sticky_offset),
  FIELD (fc_ring_header_t, headers_offset),
  FIELD (fc_ring_header_t, format_offset),
  FIELD (fc_ring_header_t, cells_offset),
  FIELD (fc_ring_header_t, format_capacity),
};

static const field_t table_fields[] = {
  FIELD (fc_table_header_t, magic),
  FIELD (fc_table_header_t, layout_version),
  FIELD (fc_table_header_t, header_size),
  FIELD (fc_table_header_t, id),
  FIELD (fc_table_header_t, entries),
  FIELD (fc_table_header_t, leases),
  FIELD (fc_table_header_t, entry_stride),
  FIELD (fc_table_header_t, entries_offset),
};

/* Give FIELD the values at which arithmetic goes wrong, one after another. */
static unsigned
alter (uint8_t *data, const field_t *field, unsigned n)
{
  static const uint64_t odd[]
      = { 0,          1,          2,          3,           7,
          4095,       65535,      65536,      0x7fffffff,  0x80000000u,
          UINT32_MAX, 1ull << 32, 1ull << 40, 1ull << 47,  INT64_MAX,
          1ull << 63, ~4095ull,   UINT64_MAX, 0xfffffff8u, 0x10000000008u };
  uint64_t value = odd[n];
  size_t size = field->size < 8 ? field->size : 8;

  if (!memcmp (data + field->offset, &value, size))
    value ^= 0x10;
  memcpy (data + field->offset, &value, size);
  return sizeof odd / sizeof odd[0];
}

static void
check_fields (bytes_t *file, const field_t *fields, size_t count,
              int as_observer)
{
  for (size_t i = 0; i < count; i++)
    {
      unsigned values = 1;

      for (unsigned n = 0; n < values; n++)
        {
          uint8_t saved[8];
          int ret;

          memcpy (saved, file->data + fields[i].offset, fields[i].size);
          values = alter (file->data, &fields[i], n);
          bytes_store (file, file->size);
          ret = try_everything (0);
          if (ret != -EPROTO)
            test_fail (__FILE__, __LINE__, "%s altered (%u): %d, %s",
                       fields[i].name, n, ret, fc_error_detail ());
          CHECK_DETAIL ("cam0");
          CHECK_RET (try_everything (1), as_observer);
          if (n % 7 == 0)
            {
              try_to_write ();
              bytes_store (file == &ring ? &table : &ring,
                           file == &ring ? table.size : ring.size);
            }
          memcpy (file->data + fields[i].offset, saved, fields[i].size);
        }
    }
  restore ();
  CHECK_OK (try_everything (0));
}

static void
each_field_of_the_rings_header_is_checked (void)
{
  make_files ();
  check_fields (&ring, ring_fields, sizeof ring_fields / sizeof ring_fields[0],
                -EPROTO);
}

static void
each_field_of_the_tables_header_is_checked (void)
{
  make_files ();
  check_fields (&table, table_fields,
                sizeof table_fields / sizeof table_fields[0], 0);
}

/* The next writer begins anew, and nothing of what it could not read stays. */
static void
damaged_table_goes_with_its_ring (void)
{
  fc_writer_options_t options = small_ring ();
  fc_writer_t *writer;

  make_files ();
  table.data[0] ^= 1;
  bytes_store (&table, table.size);
  writer = writer_new ("cam0", &options);
  CHECK_EQ (writer_stats (writer).head, 0);
  CHECK_EQ (count_files (test_dir), 3);
  fc_writer_close (writer);
  CHECK_EQ (count_files (test_dir), 1);
}

static void
missing_table_is_an_error_in_the_end (void)
{
  fc_consumer_options_t options = from (FC_START_LIVE);
  fc_consumer_t *consumer = NULL;

  make_files ();
  CHECK_EQ (unlink (table.path), 0);
  CHECK_CMP (fc_consumer_open (&consumer, "cam0", &options), <, 0);
  CHECK (fc_error_detail ()[0] != 0);
  CHECK_OK (try_everything (1));
  try_to_write ();
}

/* The header is good and anything behind it is not: words, map, cell
 * headers, format. */
static void
damage_behind_the_header_crashes_nobody (void)
{
  uint64_t random = 9;
  unsigned opened = 0;
  size_t end;
  uint8_t *good;

  make_files ();
  end = (size_t) ((const fc_ring_header_t *) ring.data)->cells_offset;
  good = malloc (ring.size);
  memcpy (good, ring.data, ring.size);
  for (int i = 0; i < 1500; i++)
    {
      int hits = 1 + (int) (chance (&random) % 40);

      while (hits-- > 0)
        {
          /* the two sticky places are most of the room and the least */
          const fc_ring_header_t *h = (const fc_ring_header_t *) good;
          size_t at = (size_t) (chance (&random) % end);

          if (at >= h->sticky_offset + 64 && at < h->headers_offset)
            at = h->words_offset + at % 1024;
          if (at < offsetof (fc_ring_header_t, format_size))
            at += h->words_offset;
          ring.data[at] = (uint8_t) chance (&random);
        }
      bytes_store (&ring, ring.size);
      opened += try_everything (0) == 0;
      opened += try_everything (1) == 0;
      if (i % 10 == 0)
        {
          try_to_write ();
          bytes_store (&table, table.size);
        }
      memcpy (ring.data, good, ring.size);
    }
  CHECK_CMP (opened, >, 100u);
  free (good);
}

static void
damaged_entries_crash_nobody (void)
{
  uint64_t random = 4;

  make_files ();
  for (int i = 0; i < 500; i++)
    {
      for (int hits = 0; hits < 200; hits++)
        {
          size_t at
              = FC_LINE + (size_t) (chance (&random) % (table.size - FC_LINE));

          table.data[at] = (uint8_t) chance (&random);
        }
      bytes_store (&table, table.size);
      CHECK_OK (try_everything (0));
      if (i % 10 == 0)
        {
          try_to_write ();
          restore ();
        }
    }
}

/* A map that names a cell twice, or one that is not there, is not carried
 * on: a new generation is made, at the old count. */
static void
ring_with_an_impossible_map_is_not_carried_on (void)
{
  make_files ();
  for (int i = 0; i < 3; i++)
    {
      const fc_ring_header_t *header = (const fc_ring_header_t *) ring.data;
      uint64_t *map = (uint64_t *) (ring.data + header->map_offset);
      uint64_t saved = map[1];
      fc_writer_options_t options = small_ring ();
      fc_writer_t *writer;

      if (i == 0)
        map[1] = (map[1] & ~0xffffull) | (map[2] & 0xffff);
      else
        map[1] |= i == 1 ? 0xffff : 0x8000;
      restore ();
      writer = writer_new ("cam0", &options);
      CHECK_EQ (writer_stats (writer).generation, header->generation + 1);
      CHECK_EQ (writer_stats (writer).head, 7);
      put (writer, 9);
      fc_writer_close (writer);
      map[1] = saved;
    }
}

static const test_t tests[] = {
  TEST (good_files_are_good),
  TEST (ring_cut_short_at_any_length),
  TEST (table_cut_short_at_any_length),
  TEST (zeroes_and_noise_are_not_a_ring),
  SLOW_TEST (each_field_of_the_rings_header_is_checked, 60),
  TEST (each_field_of_the_tables_header_is_checked),
  TEST (damaged_table_goes_with_its_ring),
  TEST (missing_table_is_an_error_in_the_end),
  SLOW_TEST (damage_behind_the_header_crashes_nobody, 90),
  SLOW_TEST (damaged_entries_crash_nobody, 60),
  TEST (ring_with_an_impossible_map_is_not_carried_on),
};
TEST_MAIN (tests)
