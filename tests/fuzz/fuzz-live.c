/* A slot's files changed while they are in use, between any two calls.
 *
 * The input's first bit says who does it:
 *   0  a process that the slot trusts changes the table, under a writer of
 *      libfc's and its readers: what they read is whole all the same;
 *   1  a writer that is not libfc's changes ring and table under its readers,
 *      and cuts them where none has mapped them (an observer's and a view's
 *      are files).
 * The rest of that byte says how they attach; then come steps, a byte each,
 * some with arguments.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fc-layout.h"
#include "slot.h"

#define STEPS 48
#define HELD 4

typedef struct
{
  int foreign;  /* the writer is not libfc's */
  int unmapped; /* and nobody has mapped what it wrote */
  int locks;    /* that say that it lives */
  fc_writer_t *writer;
  fc_consumer_t *reader[2]; /* a consumer, an observer; NULL: not attached */
  fc_slot_view_t *view;
  fc_frame_t held[HELD]; /* leased by the consumer */
  unsigned n_held;
} live_t;

static char sticky[FC_STICKY_MAX];

/* The parties -------------------------------------------------------------- */

/* The ring as of a writer that lives, and its lock. */
static void
begin_foreign (live_t *live)
{
  struct flock lock = { .l_type = F_WRLCK,
                        .l_whence = SEEK_SET,
                        .l_start = FC_LOCK_WRITER (SLOT_CONSUMERS),
                        .l_len = 1 };
  fc_ring_header_t header;
  slot_change_t change = { .size = sizeof (uint32_t) };
  uint32_t state = FC_STATE_LIVE;

  memcpy (&header, slot_ring.data, sizeof header);
  change.at = (off_t) (header.words_offset + offsetof (fc_words_t, state));
  memcpy (change.bytes, &state, sizeof state);
  slot_apply (&slot_ring, &change);
  live->locks = open (slot_table.path, O_RDWR | O_CLOEXEC);
  (void) fcntl (live->locks, F_OFD_SETLK, &lock);
}

static void
attach (live_t *live, int which, uint8_t how)
{
  fc_consumer_options_t o = FC_CONSUMER_OPTIONS_INIT;

  o.dir = slot_dir;
  o.observe = which == 1;
  o.position.start = (fc_start_t) (how % (FC_START_AGO + 1));
  o.on_lap = (fc_on_lap_t) (how >> 3 & 3);
  if (fc_consumer_open (&live->reader[which], "cam0", &o) < 0)
    live->reader[which] = NULL;
}

static void
begin (live_t *live, uint8_t how)
{
  fc_writer_options_t o = slot_options ();

  live->foreign = how & 1;
  live->unmapped = live->foreign && (how & 2) != 0;
  live->locks = -1;
  slot_restore ();
  if (live->foreign)
    begin_foreign (live);
  else if (fc_writer_open (&live->writer, "cam0", &o) < 0)
    abort ();
  if (!live->unmapped)
    attach (live, 0, how >> 2);
  attach (live, 1, how >> 2);
  if (fc_slot_view_open (&live->view, slot_dir, "cam0") < 0)
    abort ();
}

static void
end (live_t *live)
{
  while (live->n_held > 0)
    fc_consumer_release (live->reader[0], &live->held[--live->n_held]);
  for (int i = 0; i < 2; i++)
    if (live->reader[i] != NULL)
      {
        slot_check_counts (live->reader[i]);
        fc_consumer_close (live->reader[i]);
      }
  fc_slot_view_close (live->view);
  fc_writer_close (live->writer);
  if (live->locks >= 0)
    close (live->locks);
  slot_write_again ();
}

/* Steps -------------------------------------------------------------------- */

static void
change (live_t *live, fuzz_t *in, uint8_t what)
{
  const slot_file_t *file
      = live->foreign && (what & 1) ? &slot_ring : &slot_table;
  slot_change_t next = slot_take_change (in, what);

  if (!next.cut || live->unmapped)
    slot_apply (file, &next);
}

/* What libfc's writer wrote and nobody could change is whole. */
static void
check (const live_t *live, const fc_frame_t *frame)
{
  slot_use (frame);
  if (live->writer != NULL
      && !slot_is_frame (frame->data, frame->size, frame->seq))
    abort ();
}

static void
read_one (live_t *live, int which, int64_t timeout)
{
  fc_frame_t frame = FC_FRAME_INIT;

  if (fc_consumer_read (live->reader[which], &frame, timeout) >= 0)
    check (live, &frame);
}

static void
lease_one (live_t *live)
{
  fc_frame_t *frame = &live->held[live->n_held];

  *frame = (fc_frame_t) FC_FRAME_INIT;
  if (live->n_held < HELD && fc_consumer_lease (live->reader[0], frame, 0) >= 0)
    {
      check (live, frame);
      live->n_held++;
    }
}

/* A lease that was cleared says so before its bytes are believed. */
static void
release_one (live_t *live)
{
  fc_frame_t *frame;

  if (live->n_held == 0)
    return;
  frame = &live->held[--live->n_held];
  if (live->writer != NULL
      && !slot_is_frame (frame->data, frame->size, frame->seq)
      && fc_frame_intact (live->reader[0], frame) == 1)
    abort ();
  fc_consumer_release (live->reader[0], frame);
}

static void
seek (fc_consumer_t *reader, fuzz_t *in)
{
  uint8_t how = fuzz_byte (in);
  fc_position_t position = { .start = (fc_start_t) (how & 7),
                             .key = how >> 3 & 1,
                             .back = how >> 4 };

  position.value = fuzz_u16 (in);
  (void) fc_consumer_seek (reader, &position);
}

static int
see_consumer (const fc_consumer_stat_t *stat, void *user_data)
{
  return memchr (stat->name, 0, sizeof stat->name) == NULL;
}

static void
look (live_t *live)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  char format[64];
  size_t size;

  (void) fc_slot_view_stat (live->view, &stat);
  if (fc_slot_view_consumers (live->view, see_consumer, NULL) > 0)
    abort ();
  (void) fc_slot_view_format (live->view, format, sizeof format, &size);
}

static void
write_step (live_t *live, uint8_t what)
{
  fc_writer_stats_t stats = FC_WRITER_STATS_INIT;

  if (live->writer == NULL)
    return;
  if ((what & 7) == 7)
    (void) fc_writer_set_sticky (live->writer, "another", 7);
  slot_write (live->writer, what & 7);
  (void) fc_writer_key_frame_requested (live->writer);
  (void) fc_writer_consumers (live->writer);
  (void) fc_writer_stats (live->writer, &stats);
}

/* Of the reader that STEP's lowest bit names, and whether it is there. */
static void
read_step (live_t *live, fuzz_t *in, uint8_t step)
{
  int which = step & 1;
  fc_consumer_t *reader = live->reader[which];
  size_t size;

  if (reader == NULL)
    return;
  switch (step >> 1 & 7)
    {
    case 0:
      read_one (live, which, 0);
      break;
    case 1:
      read_one (live, which, fuzz_byte (in) * 1000);
      break;
    case 2:
      if (which == 0)
        lease_one (live);
      break;
    case 3:
      if (which == 0)
        release_one (live);
      break;
    case 4:
      seek (reader, in);
      break;
    case 5:
      (void) fc_consumer_sticky (reader, sticky, sizeof sticky, &size, NULL);
      break;
    case 6:
      (void) fc_consumer_request_key_frame (reader);
      (void) fc_consumer_write_cursor (reader);
      break;
    default:
      (void) fc_consumer_attach (reader, 0);
      break;
    }
  slot_check_counts (reader);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  slot_init ();
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_t in = { data, size };
  live_t live = { 0 };

  begin (&live, fuzz_byte (&in));
  for (int i = 0; i < STEPS && in.size > 0; i++)
    {
      uint8_t step = fuzz_byte (&in);

      switch (step >> 5 & 3)
        {
        case 0:
          change (&live, &in, fuzz_byte (&in));
          break;
        case 1:
          write_step (&live, step);
          break;
        case 2:
          read_step (&live, &in, step);
          break;
        default:
          look (&live);
          break;
        }
    }
  end (&live);
  return 0;
}
