/* A slot's files with anything in them, for all who open them: who looks, who
 * reads, who collects, and the next writer.
 *
 * The input changes the files of a slot that a writer has finished with: each
 * change is where (16 bits, in units that depend on the file), how many bytes,
 * and the bytes; or the length to cut a file to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fc.h"
#include "fuzz.h"

#define FRAME 512
#define FRAMES 5
#define READS 8

typedef struct
{
  char path[300];
  uint8_t *data;
  size_t size;
} image_t;

static char dir[] = "/dev/shm/fc-fuzz-XXXXXX";
static image_t ring, table;

static void
load (image_t *image)
{
  int fd = open (image->path, O_RDONLY | O_CLOEXEC);
  off_t size = lseek (fd, 0, SEEK_END);

  image->size = (size_t) size;
  image->data = malloc (image->size);
  if (pread (fd, image->data, image->size, 0) != size)
    abort ();
  close (fd);
}

static void
find_table (void)
{
  DIR *stream = opendir (dir);
  struct dirent *file;

  while ((file = readdir (stream)) != NULL)
    if (strstr (file->d_name, ".consumers") != NULL)
      snprintf (table.path, sizeof table.path, "%s/%s", dir, file->d_name);
  closedir (stream);
}

static fc_writer_options_t
options (void)
{
  fc_writer_options_t o = FC_WRITER_OPTIONS_INIT;

  o.dir = dir;
  o.frame_size = FRAME;
  o.ring_depth = 4;
  o.max_consumers = 2;
  o.leases = 2;
  o.format = "video/x-test";
  o.format_size = 12;
  return o;
}

static void
write_frames (fc_writer_t *writer, unsigned count)
{
  uint8_t bytes[FRAME] = { 0 };

  for (unsigned i = 0; i < count; i++)
    {
      fc_info_t info = FC_INFO_INIT;

      info.flags = i % 2 == 0 ? FC_FRAME_KEY : FC_FRAME_DELTA;
      info.meta = "some";
      info.meta_size = 4;
      (void) fc_writer_write (writer, bytes, sizeof bytes, &info, NULL);
    }
}

static void
clean_up (void)
{
  DIR *stream = opendir (dir);
  struct dirent *file;
  char path[sizeof table.path];

  while (stream != NULL && (file = readdir (stream)) != NULL)
    if (file->d_name[0] != '.' || strchr (file->d_name + 1, '.') != NULL)
      {
        snprintf (path, sizeof path, "%s/%s", dir, file->d_name);
        unlink (path);
      }
  if (stream != NULL)
    closedir (stream);
  rmdir (dir);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fc_writer_options_t o;
  fc_writer_t *writer;

  if (mkdtemp (dir) == NULL)
    abort ();
  atexit (clean_up);
  o = options ();
  /* A reserved slot's files stay when its writer ends. */
  if (fc_slot_reserve ("cam0", &o) < 0
      || fc_writer_open (&writer, "cam0", &o) < 0)
    abort ();
  write_frames (writer, FRAMES);
  (void) fc_writer_set_sticky (writer, "sticky", 6);
  fc_writer_close (writer);
  snprintf (ring.path, sizeof ring.path, "%s/cam0.ring", dir);
  find_table ();
  load (&ring);
  load (&table);
  return 0;
}

static void
store (const image_t *image)
{
  int fd = open (image->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  if (pwrite (fd, image->data, image->size, 0) != (ssize_t) image->size)
    abort ();
  close (fd);
}

/* Whether the input had another change. */
static int
change (fuzz_t *in)
{
  uint8_t what = fuzz_byte (in);
  const image_t *image = what & 1 ? &table : &ring;
  /* Most of a ring are cells and sticky places: what counts is in front. */
  unsigned unit = what & 2 ? 1 : what & 4 ? 64 : 4;
  off_t at = (off_t) fuzz_u16 (in) * unit;
  uint8_t bytes[16];
  size_t size = fuzz_bytes (in, bytes, what >> 4);
  int fd = open (image->path, O_WRONLY | O_CLOEXEC);

  if (fd < 0)
    return 0;
  if ((what & 8) != 0 && size == 0)
    (void) !ftruncate (fd, at);
  else if ((size_t) at + size <= image->size)
    (void) !pwrite (fd, bytes, size, at);
  close (fd);
  return in->size > 0;
}

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
  if (memchr (stat->name, 0, sizeof stat->name) == NULL)
    abort ();
  return 0;
}

static void
look (void)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  fc_slot_view_t *view;
  char format[64];
  size_t size;

  (void) fc_slot_list (dir, see_slot, NULL);
  (void) fc_slot_stat (dir, "cam0", &stat);
  (void) fc_slot_consumers (dir, "cam0", see_consumer, NULL);
  (void) fc_slot_format (dir, "cam0", format, sizeof format, &size);
  if (fc_slot_view_open (&view, dir, "cam0") < 0)
    return;
  (void) fc_slot_view_stat (view, &stat);
  (void) fc_slot_view_stat (view, &stat);
  (void) fc_slot_view_consumers (view, see_consumer, NULL);
  (void) fc_slot_view_format (view, format, sizeof format, &size);
  fc_slot_view_close (view);
}

/* What is read is whatever it is, but there are as many bytes as it says. */
static void
use (const fc_frame_t *frame)
{
  const volatile uint8_t *data = frame->data;
  const volatile uint8_t *meta = frame->info.meta;

  if (frame->size > 0)
    (void) (data[0] + data[frame->size - 1]);
  if (frame->info.meta_size > 0)
    (void) (meta[0] + meta[frame->info.meta_size - 1]);
}

static void
read_frames (uint8_t how)
{
  fc_consumer_options_t o = FC_CONSUMER_OPTIONS_INIT;
  fc_frame_t frame = FC_FRAME_INIT;
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;
  fc_consumer_t *consumer;
  static char sticky[FC_STICKY_MAX];
  const void *format;
  size_t size;

  o.dir = dir;
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
        use (&frame);
      else if (i % 2 != 0 && fc_consumer_lease (consumer, &frame, 0) >= 0)
        {
          use (&frame);
          (void) fc_frame_intact (consumer, &frame);
          fc_consumer_release (consumer, &frame);
        }
    }
  (void) fc_consumer_stats (consumer, &stats);
  if (stats.delivered + stats.dropped != stats.cursor - stats.first)
    abort ();
  (void) fc_consumer_seek (consumer, &o.position);
  fc_consumer_close (consumer);
}

static void
write_again (void)
{
  fc_writer_options_t o = options ();
  fc_writer_t *writer;

  (void) fc_slot_gc (dir, NULL, 0);
  if (fc_writer_open (&writer, "cam0", &o) < 0)
    return;
  write_frames (writer, 2);
  fc_writer_close (writer);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_t in = { data, size };
  uint8_t how = fuzz_byte (&in);

  store (&ring);
  store (&table);
  while (change (&in))
    ;
  look ();
  read_frames (how & 0xfe);
  read_frames (how | 1);
  write_again ();
  return 0;
}
