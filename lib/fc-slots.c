/* Slots for tools: looking at them without attaching, locking or changing
 * anything.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fc-consumer.h"

/* Rates are those of this many of the newest frames. */
#define RATE_FRAMES 64

/* A slot as an observer sees it, with its directory. */
typedef struct
{
  fc_dir_t dir;
  fc_ring_file_t ring;
  fc_attachment_t att;
} view_t;

static void
view_close (view_t *view)
{
  fc_ring_close (&view->ring);
  fc_dir_close (&view->dir);
}

static int
view_in (view_t *view, const char *slot)
{
  int r = fc_ring_open (&view->ring, &view->dir, slot, O_RDONLY);

  if (r < 0)
    return r;
  memset (&view->att, 0, sizeof view->att);
  view->att.observing = true;
  view->att.fd = view->ring.fd;
  view->att.header = view->ring.header;
  view->att.geo = view->ring.geo;
  memcpy (view->att.path, view->ring.path, sizeof view->att.path);
  return 0;
}

static int
view_open (view_t *view, const char *dir, const char *slot)
{
  int found = -ENOENT;
  int r = fc_check_name (slot);

  if (r < 0)
    return r;
  for (unsigned n = 0; (r = fc_dir_candidate (&view->dir, dir, n)) != -ERANGE;
       n++)
    {
      if (r == 0 && view->dir.fd < 0)
        continue;
      if (r == 0)
        r = view_in (view, slot);
      if (r == 0)
        return 0;
      fc_dir_close (&view->dir);
      if (found == -ENOENT)
        found = r;
    }
  if (found == -ENOENT)
    return fc_fail (found, "there is no slot %s in %s", slot,
                    dir != NULL ? dir : fc_dirs_text ());
  return found;
}

/* Looking ------------------------------------------------------------------ */

static int
header_of (const view_t *view, uint64_t seq, fc_cell_header_t *header)
{
  const fc_attachment_t *att = &view->att;
  uint64_t word;
  int r = fc_load_map (att, seq, &word);

  if (r < 0 || !FC_MAP_IS (word, seq)
      || FC_MAP_CELL (word) >= att->geo.cells_planned)
    return r < 0 ? r : 1;
  r = fc_pread (att->fd, header, sizeof *header,
                att->geo.headers_offset + FC_MAP_CELL (word) * sizeof *header,
                att->path);
  return r < 0 ? r : header->seq != seq;
}

static void
rates (const view_t *view, fc_slot_stat_t *stat)
{
  uint64_t newest = 0, oldest = 0, bytes = 0, frames = 0;
  fc_cell_header_t header;

  for (uint64_t seq = stat->head;
       seq > stat->oldest && stat->head - seq < RATE_FRAMES; seq--)
    {
      if (header_of (view, seq - 1, &header) != 0)
        break;
      if (frames++ == 0)
        newest = header.commit_ns;
      else
        bytes += header.size;
      oldest = header.commit_ns;
    }
  if (frames > 0)
    stat->newest_commit_ns = newest;
  if (frames > 1 && newest > oldest)
    {
      double seconds = (double) (newest - oldest) / (double) FC_NS_PER_S;

      stat->frame_rate = (double) (frames - 1) / seconds;
      stat->bit_rate = 8.0 * (double) bytes / seconds;
    }
}

static void
stat_table (const view_t *view, fc_slot_stat_t *stat)
{
  fc_table_t table;
  bool lives = fc_is_locked (view->ring.fd, 0, 1);

  if (fc_table_open (&table, &view->ring, &view->dir, stat->name, O_RDONLY)
      == 0)
    {
      stat->consumers = fc_table_count (&table);
      lives
          = lives || fc_is_locked (table.fd, FC_LOCK_WRITER (table.entries), 1);
      fc_table_close (&table);
    }
  if (stat->state == FC_STATE_LIVE && !lives)
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
  stat->format_size
      = (uint32_t) atomic_load_explicit (&h->format_size, memory_order_relaxed);
  stat->bytes_allocated = (uint64_t) ring->st.st_size + ring->geo.table_size;
  stat->bytes_planned = ring->geo.ring_planned + ring->geo.table_size;
}

static int
stat_words (const view_t *view, fc_slot_stat_t *stat)
{
  fc_words_t words;
  uint32_t state;
  int r = fc_load_state (&view->att, &state);

  if (r == 0)
    r = fc_load_head (&view->att, &stat->head);
  if (r == 0)
    r = fc_pread (view->ring.fd, &words, sizeof words,
                  view->ring.geo.words_offset, view->ring.path);
  if (r < 0)
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
stat_view (const view_t *view, const char *slot, fc_slot_stat_t *stat)
{
  int r;

  memset (stat, 0, sizeof *stat);
  stat->struct_size = sizeof *stat;
  strcpy (stat->name, slot);
  memcpy (stat->dir, view->dir.path, sizeof stat->dir);
  stat->newest_commit_ns = FC_TIME_NONE;
  stat_header (&view->ring, stat);
  r = stat_words (view, stat);
  if (r < 0)
    return r;
  stat_table (view, stat);
  rates (view, stat);
  return 0;
}

int
fc_slot_stat (const char *dir, const char *slot, fc_slot_stat_t *stat)
{
  view_t view;
  int r = fc_check_struct ("fc_slot_stat_t", stat->struct_size, sizeof *stat);

  if (r == 0)
    r = view_open (&view, dir, slot);
  if (r < 0)
    return r;
  r = stat_view (&view, slot, stat);
  view_close (&view);
  return r;
}

int
fc_slot_consumers (const char *dir, const char *slot, fc_consumer_func_t func,
                   void *user_data)
{
  fc_table_t table;
  view_t view;
  int r = view_open (&view, dir, slot);

  if (r < 0)
    return r;
  r = fc_table_open (&table, &view.ring, &view.dir, slot, O_RDONLY);
  view_close (&view);
  if (r < 0)
    return r;
  for (uint32_t i = fc_table_next (&table, 0); r == 0 && i < table.entries;
       i = fc_table_next (&table, i + 1))
    {
      const fc_entry_t *entry = fc_table_entry (&table, i);
      fc_consumer_stat_t stat = { .struct_size = sizeof stat, .entry = i };
      uint64_t name[FC_CONSUMER_NAME / 8];

      for (size_t k = 0; k < FC_CONSUMER_NAME / 8; k++)
        name[k] = entry->name[k];
      memcpy (stat.name, name, sizeof stat.name);
      stat.name[sizeof stat.name - 1] = '\0';
      stat.pid = entry->pid;
      stat.uid = entry->uid;
      stat.cursor = entry->cursor;
      stat.delivered = entry->delivered;
      stat.dropped = entry->dropped;
      stat.waiting = entry->waiting != 0;
      stat.attached_wall_ns = entry->attached_wall_ns;
      for (uint32_t k = 0; k < table.leases; k++)
        stat.leases += entry->lease[k] != 0;
      r = func (&stat, user_data);
    }
  fc_table_close (&table);
  return r;
}

int
fc_slot_format (const char *dir, const char *slot, void *data, size_t capacity,
                size_t *size)
{
  view_t view;
  int r = view_open (&view, dir, slot);

  if (r < 0)
    return r;
  *size = (size_t) atomic_load_explicit (&view.ring.header.format_size,
                                         memory_order_relaxed);
  if (*size > capacity)
    r = fc_fail (-EMSGSIZE,
                 "the format of %s has %zu bytes, the buffer given %zu", slot,
                 *size, capacity);
  else
    r = fc_pread (view.ring.fd, data, *size, view.ring.geo.format_offset,
                  view.ring.path);
  view_close (&view);
  return r;
}

/* Walking ------------------------------------------------------------------ */

int
fc_by_name (const void *a, const void *b)
{
  const fc_found_t *x = a, *y = b;
  int r = strcmp (x->name, y->name);

  return r != 0 ? r : (int) x->dir - (int) y->dir;
}

/* Add the slots of one directory: those that have a ring and, with LEFT, those
 * of which anything else is there. */
static int
names_add (fc_names_t *names, const fc_dir_t *dir, unsigned n, bool left)
{
  int fd = openat (dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *file;

  if (stream == NULL)
    {
      if (fd >= 0)
        close (fd);
      return fc_fail (-EACCES, "can not list %s", dir->path);
    }
  while ((file = readdir (stream)) != NULL)
    {
      fc_found_t found = { .dir = n };
      fc_found_t *grown;

      if (!fc_is_ring_name (file->d_name, found.name)
          && !(left && fc_is_slot_file (file->d_name, found.name)))
        continue;
      grown = realloc (names->item, (names->n + 1) * sizeof found);
      if (grown == NULL)
        break;
      names->item = grown;
      names->item[names->n++] = found;
    }
  closedir (stream);
  return 0;
}

int
fc_names_collect (fc_names_t *names, const char *dir, bool left)
{
  fc_dir_t candidate;
  int r = 0, failed = 0;

  for (unsigned n = 0; (r = fc_dir_candidate (&candidate, dir, n)) != -ERANGE;
       n++)
    {
      if (r == 0 && candidate.fd < 0)
        continue;
      if (r == 0)
        r = names_add (names, &candidate, n, left);
      fc_dir_close (&candidate);
      if (r < 0)
        failed = r;
    }
  if (names->n > 0)
    qsort (names->item, names->n, sizeof *names->item, fc_by_name);
  return names->n > 0 ? 0 : failed;
}

int
fc_slot_list (const char *dir, fc_slot_func_t func, void *user_data)
{
  fc_names_t names = { NULL, 0 };
  int r = fc_names_collect (&names, dir, false);

  for (size_t i = 0; r == 0 && i < names.n; i++)
    {
      fc_slot_stat_t stat;
      view_t view;

      /* The first directory's is the one that a consumer would get. */
      if (i > 0 && strcmp (names.item[i].name, names.item[i - 1].name) == 0)
        continue;
      if (fc_dir_candidate (&view.dir, dir, names.item[i].dir) < 0
          || view.dir.fd < 0)
        continue;
      if (view_in (&view, names.item[i].name) == 0)
        {
          if (stat_view (&view, names.item[i].name, &stat) == 0)
            r = func (&stat, user_data);
          fc_ring_close (&view.ring);
        }
      fc_dir_close (&view.dir);
    }
  free (names.item);
  return r;
}
