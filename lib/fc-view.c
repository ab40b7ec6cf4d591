/* Looking at a slot without attaching, locking or changing anything. Files are
 * read and never mapped: whoever owns them may cut them at any moment.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fc-consumer.h"

/* The rates of a first look are those of this many of the newest frames. */
#define RATE_FRAMES 64
#define OPEN_TRIES 10
#define OPEN_PAUSE_NS (FC_NS_PER_S / 1000)

/* What a look leaves for the rates of the next one. */
typedef struct
{
  uint64_t head;
  uint64_t bytes;
  uint64_t newest; /* commit time; FC_TIME_NONE: there was no look, no frame */
} look_t;

struct fc_slot_view
{
  fc_ring_file_t ring;
  fc_attachment_t att; /* an observer's, of ring's descriptor */
  fc_table_t table;    /* a copy; fd is -1 where it may not be read */
  look_t before;
  char slot[FC_NAME_MAX + 1];
  char dir[256];
};

/* Opening ------------------------------------------------------------------ */

static void
view_close (fc_slot_view_t *view)
{
  fc_table_close (&view->table);
  fc_ring_close (&view->ring);
}

static int
view_in (fc_slot_view_t *view, const fc_dir_t *dir, const char *slot)
{
  int r = fc_ring_open (&view->ring, dir, slot, O_RDONLY);

  if (r < 0)
    return r;
  memset (&view->att, 0, sizeof view->att);
  view->att.observing = true;
  view->att.clock = fc_clock_offset ();
  view->att.fd = view->ring.fd;
  view->att.header = view->ring.header;
  view->att.geo = view->ring.geo;
  memcpy (view->att.path, view->ring.path, sizeof view->att.path);
  r = fc_table_open (&view->table, &view->ring, dir, slot, O_RDONLY);
  if (fc_is_system_error (r))
    {
      fc_ring_close (&view->ring);
      return r;
    }
  view->before.newest = FC_TIME_NONE;
  strcpy (view->slot, slot);
  memcpy (view->dir, dir->path, sizeof view->dir);
  return 0;
}

/* What opens something of SLOT in a directory. */
typedef int (*open_func_t) (void *data, const fc_dir_t *dir, const char *slot);

/* OPEN in the first directory in which it can. */
static int
open_somewhere (const char *path, const char *slot, open_func_t open,
                void *data)
{
  int found = -ENOENT;
  fc_dir_t dir;
  int r = fc_check_name (slot);

  if (r < 0)
    return r;
  for (unsigned n = 0; (r = fc_dir_candidate (&dir, path, n)) != -ERANGE; n++)
    {
      if (r == 0 && dir.fd < 0)
        continue;
      if (r == 0)
        r = open (data, &dir, slot);
      fc_dir_close (&dir);
      if (r == 0)
        return 0;
      if (found == -ENOENT)
        found = r;
    }
  if (found == -ENOENT)
    return fc_fail (found, "there is no slot %s in %s", slot,
                    path != NULL ? path : fc_dirs_text ());
  return found;
}

static int
open_view (void *view, const fc_dir_t *dir, const char *slot)
{
  return view_in (view, dir, slot);
}

static int
view_open (fc_slot_view_t *view, const char *dir, const char *slot)
{
  return open_somewhere (dir, slot, open_view, view);
}

int
fc_slot_view_open (fc_slot_view_t **result, const char *dir, const char *slot)
{
  fc_slot_view_t *view = malloc (sizeof *view);
  int r;

  if (view == NULL)
    return fc_fail (-ENOMEM, "out of memory");
  r = view_open (view, dir, slot);
  if (r < 0)
    free (view);
  else
    *result = view;
  return r;
}

void
fc_slot_view_close (fc_slot_view_t *view)
{
  if (view == NULL)
    return;
  view_close (view);
  free (view);
}

/* Handing over ------------------------------------------------------------- */

typedef struct
{
  const char *ring_dir; /* NULL: the same directory */
  int ring_fd;
  int table_fd;
  bool with_table;
} handed_t;

/* -ENOENT where the slot has another ring by now. */
static int
open_ring_as_in (handed_t *handed, const char *slot, uint64_t id)
{
  fc_ring_file_t ring;
  fc_dir_t dir;
  int r = fc_dir_candidate (&dir, handed->ring_dir, 0);

  /* Not -ENOENT: it will not be there in a moment, and is not the slot. */
  if (r == 0 && dir.fd < 0)
    r = fc_fail (-ENOTDIR, "there is no slot directory %s", handed->ring_dir);
  if (r < 0)
    return r;
  r = fc_ring_open (&ring, &dir, slot, O_RDONLY);
  fc_dir_close (&dir);
  if (r < 0)
    return r;
  if (ring.header.id == id)
    {
      handed->ring_fd = ring.fd; /* taken */
      return 0;
    }
  fc_ring_close (&ring);
  return -ENOENT;
}

static int
open_both (handed_t *handed, const fc_dir_t *dir, const char *slot)
{
  fc_table_t table = { .fd = -1 };
  fc_ring_file_t ring;
  int r = fc_ring_open (&ring, dir, slot, O_RDONLY);

  if (r < 0)
    return r;
  if (handed->with_table)
    r = fc_table_open (&table, &ring, dir, slot, O_RDWR);
  if (r == 0 && handed->ring_dir != NULL)
    r = open_ring_as_in (handed, slot, ring.header.id);
  else if (r == 0)
    {
      handed->ring_fd = ring.fd; /* taken */
      ring.fd = -1;
    }
  if (r == 0)
    {
      handed->table_fd = table.fd; /* taken */
      table.fd = -1;
    }
  fc_table_close (&table);
  fc_ring_close (&ring);
  return r;
}

/* A ring whose table or second path is not there is being replaced: the next
 * one is in its place in a moment. */
static int
open_handed (void *handed, const fc_dir_t *dir, const char *slot)
{
  int r = open_both (handed, dir, slot);

  for (int tries = 0; r == -ENOENT && tries < OPEN_TRIES; tries++)
    {
      fc_pause (OPEN_PAUSE_NS);
      r = open_both (handed, dir, slot);
    }
  return r;
}

int
fc_slot_open_fds (const char *dir, const char *ring_dir, const char *slot,
                  int *ring_fd, int *table_fd)
{
  handed_t handed = { ring_dir, -1, -1, table_fd != NULL };
  int r = open_somewhere (dir, slot, open_handed, &handed);

  if (r < 0)
    return r;
  *ring_fd = handed.ring_fd;
  if (table_fd != NULL)
    *table_fd = handed.table_fd;
  return 0;
}

/* Looking ------------------------------------------------------------------ */

static int
header_of (const fc_attachment_t *att, uint64_t seq, fc_cell_header_t *header)
{
  uint64_t word;
  int r = fc_load_map (att, seq, &word);

  if (r < 0 || !FC_MAP_IS (word, seq)
      || FC_MAP_CELL (word) >= att->geo.cells_planned)
    return r < 0 ? r : 1;
  return fc_observer_look (att, FC_MAP_CELL (word), seq, header);
}

uint64_t
fc_ring_touched (const fc_ring_file_t *ring)
{
  fc_attachment_t att = {
    .observing = true, .fd = ring->fd, .header = ring->header, .geo = ring->geo
  };
  uint64_t touched = ring->header.created_ns;
  fc_cell_header_t newest;
  uint64_t head;

  memcpy (att.path, ring->path, sizeof att.path);
  if (fc_load_head (&att, &head) == 0 && head > ring->header.first_seq
      && header_of (&att, head - 1, &newest) == 0)
    touched = newest.commit_ns;
  return fc_time_here (touched, fc_clock_offset ());
}

static void
set_rates (fc_slot_stat_t *stat, uint64_t frames, uint64_t bytes,
           uint64_t since)
{
  double seconds;

  if (frames == 0 || stat->newest_commit_ns <= since)
    return;
  seconds = (double) (stat->newest_commit_ns - since) / (double) FC_NS_PER_S;
  stat->frame_rate = (double) frames / seconds;
  stat->bit_rate = 8.0 * (double) bytes / seconds;
}

/* What those of the newest frames were that are still there. */
static void
rates_of_history (const fc_attachment_t *att, fc_slot_stat_t *stat)
{
  uint64_t oldest = stat->newest_commit_ns, bytes = 0, frames = 0, size = 0;
  fc_cell_header_t header;

  for (uint64_t seq = stat->head;
       seq > stat->oldest && stat->head - seq < RATE_FRAMES; seq--)
    {
      if (header_of (att, seq - 1, &header) != 0)
        break;
      /* Each frame's bytes came in the time since the one before it. */
      bytes += size;
      frames++;
      size = header.size;
      oldest = fc_time_here (header.commit_ns, att->clock);
    }
  if (frames > 1)
    set_rates (stat, frames - 1, bytes, oldest);
}

static void
stat_rates (fc_slot_view_t *view, fc_slot_stat_t *stat)
{
  look_t *before = &view->before;
  fc_cell_header_t newest;

  if (stat->head > stat->oldest
      && header_of (&view->att, stat->head - 1, &newest) == 0)
    stat->newest_commit_ns = fc_time_here (newest.commit_ns, view->att.clock);
  if (stat->newest_commit_ns == FC_TIME_NONE)
    return;
  if (before->newest == FC_TIME_NONE)
    rates_of_history (&view->att, stat);
  else if (stat->head > before->head && stat->bytes_total >= before->bytes)
    set_rates (stat, stat->head - before->head,
               stat->bytes_total - before->bytes, before->newest);
  *before = (look_t){ stat->head, stat->bytes_total, stat->newest_commit_ns };
}

static void
stat_table (fc_slot_view_t *view, fc_slot_stat_t *stat)
{
  fc_table_t *table = &view->table;
  bool lives = fc_ring_lives (&view->att);
  uint32_t state;

  if (table->fd >= 0)
    {
      if (fc_table_reread (table, table->offset, view->ring.path) == 0)
        stat->consumers = fc_table_count (table);
      lives = lives
              || fc_is_locked (table->fd, FC_LOCK_WRITER (table->entries), 1);
    }
  if (stat->state != FC_STATE_LIVE || lives)
    return;
  /* stat_table:A, pairs with fc_generation_set_state:A: whoever ends says so
   * before it lets go of its locks. */
  fc_fence (memory_order_acquire);
  if (fc_load_state (&view->att, &state) == 0 && state <= FC_STATE_REMOVED)
    stat->state = (fc_state_t) state;
  if (stat->state == FC_STATE_LIVE)
    stat->state = FC_STATE_LOST;
}

static void
stat_header (const fc_ring_file_t *ring, fc_slot_stat_t *stat)
{
  const fc_ring_header_t *h = &ring->header;

  stat->frame_size = h->frame_size;
  stat->ring_depth = h->ring_depth;
  stat->max_consumers = h->max_consumers;
  stat->leases = h->leases;
  stat->writer_cells = h->writer_cells;
  stat->access = (fc_share_t) h->access;
  stat->trust = (fc_share_t) h->trust;
  stat->reserved = h->reserved;
  stat->generation = h->generation;
  stat->first_seq = h->first_seq;
  stat->created_wall_ns = h->created_wall_ns;
  stat->owner = ring->st.st_uid;
  stat->group = ring->st.st_gid;
  stat->bytes_allocated = (uint64_t) ring->st.st_size + ring->geo.table_size;
  stat->bytes_planned = ring->geo.ring_planned + ring->geo.table_size;
}

static int
stat_words (const fc_slot_view_t *view, fc_slot_stat_t *stat)
{
  fc_words_t words;
  uint32_t state = 0;
  int r = fc_load_state (&view->att, &state);

  if (r == 0)
    r = fc_load_head (&view->att, &stat->head);
  if (r == 0)
    r = fc_pread (view->ring.fd, &words, sizeof words,
                  view->ring.geo.words_offset, view->ring.path);
  if (r != 0)
    return r;
  if (stat->head < stat->first_seq || state > FC_STATE_REMOVED)
    return fc_fail (-EPROTO,
                    "%s is damaged: its words contradict its header; restart "
                    "its writer, or remove the slot",
                    view->ring.path);
  stat->state = (fc_state_t) state;
  stat->epoch = words.epoch;
  stat->sticky = words.sticky;
  stat->writer_pid = words.pid;
  stat->writer_uid = words.uid;
  stat->cells_out = words.cells_out;
  stat->latency_ns = words.latency_ns;
  stat->bytes_total = words.bytes;
  stat->history_shortened = words.shortened;
  stat->writer_dropped = words.dropped;
  return fc_oldest (&view->att, stat->head, &stat->oldest);
}

static int
view_stat (fc_slot_view_t *view, fc_slot_stat_t *stat)
{
  uint64_t format_size = 0;
  int r;

  memset (stat, 0, sizeof *stat);
  stat->struct_size = sizeof *stat;
  strcpy (stat->name, view->slot);
  memcpy (stat->dir, view->dir, sizeof stat->dir);
  stat->newest_commit_ns = FC_TIME_NONE;
  stat_header (&view->ring, stat);
  r = stat_words (view, stat);
  if (r == 0)
    r = fc_load_format_size (&view->att, &format_size);
  if (r < 0)
    return r;
  stat->format_size = (uint32_t) format_size;
  stat_table (view, stat);
  stat_rates (view, stat);
  return 0;
}

static int
check_stat (const fc_slot_stat_t *stat)
{
  return fc_check_struct ("fc_slot_stat_t", stat->struct_size, sizeof *stat);
}

static int
say_replaced (const fc_slot_view_t *view)
{
  return fc_fail (FC_REPLACED, "slot %s has another ring by now, or none",
                  view->slot);
}

int
fc_slot_view_stat (fc_slot_view_t *view, fc_slot_stat_t *stat)
{
  int r = check_stat (stat);

  if (r < 0)
    return r;
  if (fstat (view->ring.fd, &view->ring.st) < 0)
    return fc_fail (-errno, "can not look at %s: %s", view->ring.path,
                    strerror (errno));
  if (view->ring.st.st_nlink == 0)
    return say_replaced (view);
  r = view_stat (view, stat);
  if (r == 0
      && (stat->state == FC_STATE_REPLACED || stat->state == FC_STATE_REMOVED))
    return say_replaced (view);
  return r;
}

/* Consumers and formats ---------------------------------------------------- */

static void
stat_entry (const fc_table_t *table, uint32_t i, fc_consumer_stat_t *stat)
{
  const fc_entry_t *entry = fc_table_entry (table, i);
  uint64_t name[FC_CONSUMER_NAME / 8];

  for (size_t k = 0; k < FC_CONSUMER_NAME / 8; k++)
    name[k] = entry->name[k];
  memcpy (stat->name, name, sizeof stat->name);
  stat->name[sizeof stat->name - 1] = '\0';
  stat->pid = entry->pid;
  stat->uid = entry->uid;
  stat->cursor = entry->cursor;
  stat->delivered = entry->delivered;
  stat->dropped = entry->dropped;
  stat->waiting = entry->waiting != 0;
  stat->attached_wall_ns = entry->attached_wall_ns;
  for (uint32_t k = 0; k < table->leases; k++)
    stat->leases += entry->lease[k] != 0;
}

int
fc_slot_view_consumers (fc_slot_view_t *view, fc_consumer_func_t func,
                        void *user_data)
{
  fc_table_t *table = &view->table;
  int r;

  if (table->fd < 0)
    return fc_fail (-EACCES,
                    "may not read the consumer table of slot %s: its writer "
                    "trusts fewer (trust=user or group)",
                    view->slot);
  r = fc_table_reread (table, (size_t) table->size, view->ring.path);
  for (uint32_t i = fc_table_next (table, 0); r == 0 && i < table->entries;
       i = fc_table_next (table, i + 1))
    {
      fc_consumer_stat_t stat = { .struct_size = sizeof stat, .entry = i };

      stat_entry (table, i, &stat);
      r = func (&stat, user_data);
    }
  return r;
}

int
fc_slot_view_format (fc_slot_view_t *view, void *data, size_t capacity,
                     size_t *size)
{
  uint64_t bytes = 0;
  int r = fc_load_format_size (&view->att, &bytes);

  if (r < 0)
    return r;
  *size = (size_t) bytes;
  if (*size > capacity)
    return fc_fail (-EMSGSIZE,
                    "the format of %s has %zu bytes, the buffer given %zu",
                    view->slot, *size, capacity);
  return fc_pread (view->ring.fd, data, *size, view->ring.geo.format_offset,
                   view->ring.path);
}

/* Once -------------------------------------------------------------------- */

int
fc_stat_in (const char *path, unsigned n, const char *slot,
            fc_slot_stat_t *stat)
{
  fc_slot_view_t view = { 0 };
  fc_dir_t dir;
  int r = fc_dir_candidate (&dir, path, n);

  if (r == 0 && dir.fd < 0)
    r = -ENOENT;
  if (r == 0)
    r = view_in (&view, &dir, slot);
  fc_dir_close (&dir);
  if (r < 0)
    return r;
  r = view_stat (&view, stat);
  view_close (&view);
  return r;
}

int
fc_slot_stat (const char *dir, const char *slot, fc_slot_stat_t *stat)
{
  fc_slot_view_t view = { 0 };
  int r = check_stat (stat);

  if (r == 0)
    r = view_open (&view, dir, slot);
  if (r < 0)
    return r;
  r = view_stat (&view, stat);
  view_close (&view);
  return r;
}

int
fc_slot_consumers (const char *dir, const char *slot, fc_consumer_func_t func,
                   void *user_data)
{
  fc_slot_view_t view = { 0 };
  int r = view_open (&view, dir, slot);

  if (r < 0)
    return r;
  r = fc_slot_view_consumers (&view, func, user_data);
  view_close (&view);
  return r;
}

int
fc_slot_format (const char *dir, const char *slot, void *data, size_t capacity,
                size_t *size)
{
  fc_slot_view_t view = { 0 };
  int r = view_open (&view, dir, slot);

  if (r < 0)
    return r;
  r = fc_slot_view_format (&view, data, capacity, size);
  view_close (&view);
  return r;
}
