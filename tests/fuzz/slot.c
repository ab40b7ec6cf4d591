/* The files of a slot, to be changed by a fuzzer's input and put back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fc-layout.h"
#include "slot.h"

#define READS 8

char slot_dir[] = "/dev/shm/fc-fuzz-XXXXXX";
slot_file_t slot_ring, slot_table;

/* Making it -------------------------------------------------------------- */

static void
load (slot_file_t *file)
{
  int fd = open (file->path, O_RDONLY | O_CLOEXEC);
  off_t size = lseek (fd, 0, SEEK_END);

  file->size = (size_t) size;
  file->data = malloc (file->size);
  if (pread (fd, file->data, file->size, 0) != size)
    abort ();
  close (fd);
}

static void
find_table (void)
{
  DIR *stream = opendir (slot_dir);
  struct dirent *file;

  while ((file = readdir (stream)) != NULL)
    if (strstr (file->d_name, ".consumers") != NULL)
      snprintf (slot_table.path, sizeof slot_table.path, "%s/%s", slot_dir,
                file->d_name);
  closedir (stream);
}

fc_writer_options_t
slot_options (void)
{
  fc_writer_options_t o = FC_WRITER_OPTIONS_INIT;

  o.dir = slot_dir;
  o.frame_size = SLOT_FRAME;
  o.ring_depth = SLOT_DEPTH;
  o.max_consumers = SLOT_CONSUMERS;
  o.leases = SLOT_LEASES;
  o.format = "video/x-test";
  o.format_size = 12;
  return o;
}

void
slot_write (fc_writer_t *writer, unsigned count)
{
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;
  uint64_t bytes[SLOT_FRAME / 8];

  for (unsigned i = 0; i < count; i++)
    {
      fc_info_t info = FC_INFO_INIT;

      (void) fc_writer_stats (writer, &stats);
      for (unsigned k = 0; k < SLOT_FRAME / 8; k++)
        bytes[k] = stats.head;
      info.flags = stats.head % 2 == 0 ? FC_FRAME_KEY : FC_FRAME_DELTA;
      info.meta = "some";
      info.meta_size = 4;
      (void) fc_writer_write (writer, bytes, sizeof bytes, &info, NULL);
    }
}

int
slot_is_frame (const void *data, size_t size, uint64_t seq)
{
  uint64_t word;

  for (size_t at = 0; at + sizeof word <= size; at += sizeof word)
    {
      memcpy (&word, (const uint8_t *) data + at, sizeof word);
      if (word != seq)
        return 0;
    }
  return size == SLOT_FRAME;
}

static void
clean_up (void)
{
  DIR *stream = opendir (slot_dir);
  struct dirent *file;
  char path[sizeof slot_table.path];

  while (stream != NULL && (file = readdir (stream)) != NULL)
    if (strcmp (file->d_name, ".") != 0 && strcmp (file->d_name, "..") != 0)
      {
        snprintf (path, sizeof path, "%s/%s", slot_dir, file->d_name);
        unlink (path);
      }
  if (stream != NULL)
    closedir (stream);
  rmdir (slot_dir);
}

static _Noreturn void
die (const char *what)
{
  fprintf (stderr, "%s: %s\n", what, fc_error_detail ());
  abort ();
}

void
slot_init (void)
{
  fc_writer_options_t o;
  fc_consumer_options_t from = FC_CONSUMER_OPTIONS_INIT;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  fc_writer_t *writer;

  if (mkdtemp (slot_dir) == NULL)
    die (slot_dir);
  atexit (clean_up);
  o = slot_options ();
  from.dir = slot_dir;
  from.position.start = FC_START_OLDEST;
  /* A reserved slot's files stay when its writer ends. */
  if (fc_slot_reserve ("cam0", &o) < 0
      || fc_writer_open (&writer, "cam0", &o) < 0)
    die ("writer");
  slot_write (writer, SLOT_FRAMES);
  (void) fc_writer_set_sticky (writer, "sticky", 6);
  if (fc_consumer_open (&consumer, "cam0", &from) < 0
      || fc_consumer_lease (consumer, &frame, 0) < 0)
    die ("consumer");
  snprintf (slot_ring.path, sizeof slot_ring.path, "%s/cam0.ring", slot_dir);
  find_table ();
  load (&slot_table);
  fc_consumer_release (consumer, &frame);
  fc_consumer_close (consumer);
  fc_writer_close (writer);
  load (&slot_ring);
}

/* Changing it -------------------------------------------------------------- */

static void
store (const slot_file_t *file, int flags)
{
  int fd = open (file->path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);

  if (ftruncate (fd, (off_t) file->size) < 0
      || pwrite (fd, file->data, file->size, 0) != (ssize_t) file->size)
    abort ();
  close (fd);
}

void
slot_restore (void)
{
  store (&slot_ring, O_TRUNC);
  store (&slot_table, O_TRUNC);
}

void
slot_restore_in_place (void)
{
  store (&slot_ring, 0);
  store (&slot_table, 0);
}

slot_change_t
slot_take_change (fuzz_t *in, uint8_t what)
{
  slot_change_t change = { 0 };
  /* Most of a ring are cells and sticky places: what counts is in front. */
  unsigned unit = what & 2 ? 1 : what & 4 ? 64 : 4;

  change.at = (off_t) fuzz_u16 (in) * unit;
  change.size = fuzz_bytes (in, change.bytes, what >> 4);
  change.cut = (what & 8) != 0 && change.size == 0;
  return change;
}

slot_change_t
slot_next_change (fuzz_t *in)
{
  return slot_take_change (in, fuzz_byte (in));
}

void
slot_apply (const slot_file_t *file, const slot_change_t *change)
{
  int fd = open (file->path, O_WRONLY | O_CLOEXEC);

  if (fd < 0)
    return;
  if (change->cut)
    (void) !ftruncate (fd, change->at);
  else if ((size_t) change->at + change->size <= file->size)
    (void) !pwrite (fd, change->bytes, change->size, change->at);
  close (fd);
}

/* In the C library's place: who finds an entry in doubt pauses before it looks
 * again, and here nobody changes it meanwhile. */
int
clock_nanosleep (clockid_t clock, int flags, const struct timespec *time,
                 struct timespec *left)
{
  return 0;
}

/* Using it ----------------------------------------------------------------- */

static int
see_slot (const fc_slot_stat_t *stat, void *user_data)
{
  if (memchr (stat->name, 0, sizeof stat->name) == NULL)
    abort ();
  return 0;
}

static int
see_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  unsigned *seen = user_data;

  if (memchr (stat->name, 0, sizeof stat->name) == NULL)
    abort ();
  if (stat->leases > FC_CELLS_MAX || ++*seen > FC_CELLS_MAX)
    abort ();
  return 0;
}

void
slot_look (void)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_slot_view_t *view;
  char format[64];
  unsigned seen = 0;
  size_t size;

  (void) fc_slot_list (slot_dir, see_slot, NULL);
  (void) fc_slot_stat (slot_dir, "cam0", &stat);
  (void) fc_slot_consumers (slot_dir, "cam0", see_consumer, &seen);
  (void) fc_slot_format (slot_dir, "cam0", format, sizeof format, &size);
  if (fc_slot_view_open (&view, slot_dir, "cam0") < 0)
    return;
  (void) fc_slot_view_stat (view, &stat);
  (void) fc_slot_view_stat (view, &stat);
  seen = 0;
  (void) fc_slot_view_consumers (view, see_consumer, &seen);
  (void) fc_slot_view_format (view, format, sizeof format, &size);
  fc_slot_view_close (view);
}

/* What is read is whatever it is, but there are as many bytes as it says. */
void
slot_use (const fc_frame_t *frame)
{
  const volatile uint8_t *data = frame->data;
  const volatile uint8_t *meta = frame->info.meta;

  if (frame->info.meta_size > FC_META_MAX)
    abort ();
  if (frame->size > 0)
    (void) (data[0] + data[frame->size - 1]);
  if (frame->info.meta_size > 0)
    (void) (meta[0] + meta[frame->info.meta_size - 1]);
}

void
slot_check_counts (fc_consumer_t *consumer)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;

  (void) fc_consumer_stats (consumer, &stats);
  if (stats.delivered + stats.dropped != stats.cursor - stats.first)
    abort ();
}

void
slot_read (uint8_t how)
{
  fc_consumer_options_t o = FC_CONSUMER_OPTIONS_INIT;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_t *consumer;
  static char sticky[FC_STICKY_MAX];
  const void *format;
  size_t size;

  o.dir = slot_dir;
  o.observe = how & 1;
  o.position.start = (fc_start_t) ((how >> 1) % (FC_START_AGO + 1));
  o.position.key = how >> 4 & 1;
  o.on_lap = (fc_on_lap_t) (how >> 5 & 3);
  if (fc_consumer_open (&consumer, "cam0", &o) < 0)
    return;
  (void) fc_consumer_format (consumer, &format, &size);
  (void) fc_consumer_sticky (consumer, sticky, sizeof sticky, &size, NULL);
  for (int i = 0; i < READS; i++)
    {
      frame.data = NULL;
      if (i % 2 == 0 && fc_consumer_read (consumer, &frame, 0) >= 0)
        slot_use (&frame);
      else if (i % 2 != 0 && fc_consumer_lease (consumer, &frame, 0) >= 0)
        {
          slot_use (&frame);
          (void) fc_frame_intact (consumer, &frame);
          fc_consumer_release (consumer, &frame);
        }
    }
  slot_check_counts (consumer);
  (void) fc_consumer_seek (consumer, &o.position);
  fc_consumer_close (consumer);
}

void
slot_write_again (void)
{
  fc_writer_options_t o = slot_options ();
  fc_writer_t *writer;

  (void) fc_slot_gc (slot_dir, NULL, 0);
  if (fc_writer_open (&writer, "cam0", &o) < 0)
    return;
  slot_write (writer, 2);
  (void) fc_writer_key_frame_requested (writer);
  (void) fc_writer_consumers (writer);
  fc_writer_close (writer);
}
