/* One frame of a ring to a consumer: holding its cell, looking at it, what is
 * copied of it. Every number that comes from the ring is checked here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "fc-consumer.h"

/* A buffer for copies grows from this many bytes. */
#define MIN_ROOM (64u << 10)

int
fc_say_damaged (const fc_attachment_t *att, const char *what)
{
  return fc_fail (-EPROTO,
                  "%s is damaged: %s; restart its writer, or remove the slot",
                  att->path, what);
}

_Atomic uint32_t *
fc_lease_word (const fc_attachment_t *att, uint32_t k)
{
  return &att->entry->lease[k];
}

FC_HOT void
fc_end_lease (const fc_attachment_t *att, uint32_t k)
{
  /* fc_end_lease:A, pairs with load_lease:A: what was read is read. */
  atomic_store_explicit (fc_lease_word (att, k), 0, memory_order_release);
}

/* Whether the file reaches to the end of CELL. */
static bool
is_allocated (fc_attachment_t *att, uint32_t cell)
{
  uint64_t end = fc_cell_offset (&att->geo, cell + 1);
  struct stat st;

  if (end <= att->size)
    return true;
  if (fstat (att->fd, &st) < 0 || end > (uint64_t) st.st_size)
    return false;
  fc_populate_read (att->base + att->size, (uint64_t) st.st_size - att->size);
  att->size = (uint64_t) st.st_size;
  return true;
}

/* Hold the cell of frame SEQ, whose word in the map was WORD, with lease K:
 * 0, or 1 where it is gone. */
FC_HOT int
fc_claim (fc_attachment_t *att, uint64_t seq, uint64_t word, uint32_t k)
{
  uint32_t cell = FC_MAP_CELL (word);
  uint64_t again;

  if (cell >= att->geo.cells_planned)
    return fc_say_damaged (att, "its map names a cell that there is not");
  /* fc_claim:A, pairs with load_lease:A. */
  atomic_store_explicit (fc_lease_word (att, k), cell + 1,
                         memory_order_seq_cst);
  (void) fc_load_map (att, seq, &again);
  if (again != word)
    {
      fc_end_lease (att, k);
      return 1;
    }
  if (!is_allocated (att, cell))
    {
      fc_end_lease (att, k);
      return fc_say_damaged (att, "it is truncated");
    }
  /* fc_claim:B, pairs with fc_cells_publish:A. Another number is
   * that of a frame whose lease somebody took away, or of one that a killed
   * writer left half made. */
  if (atomic_load_explicit (&att->headers[cell].seq, memory_order_acquire)
      == seq)
    return 0;
  fc_end_lease (att, k);
  return 1;
}

FC_HOT int
fc_fill_frame (const fc_attachment_t *att, const fc_cell_header_t *h,
               fc_frame_t *frame)
{
  if (h->size > att->geo.frame_size || h->meta_size > FC_META_MAX)
    return fc_say_damaged (att, "a frame is larger than its cell");
  frame->seq = h->seq;
  frame->size = (size_t) h->size;
  frame->epoch = h->epoch;
  frame->sticky = h->sticky;
  frame->key_seq = h->key_seq;
  frame->keys = h->keys;
  frame->generation = att->generation;
  frame->info.flags = h->flags;
  frame->info.user_flags = h->user_flags;
  frame->info.pts = h->pts;
  frame->info.dts = h->dts;
  frame->info.duration = h->duration;
  frame->info.running_time = h->running_time;
  frame->info.offset = h->offset;
  frame->info.offset_end = h->offset_end;
  frame->info.capture_ns = fc_time_here (h->capture_ns, att->clock);
  frame->info.commit_ns = fc_time_here (h->commit_ns, att->clock);
  frame->info.wall_ns = h->wall_ns;
  frame->info.meta = NULL;
  frame->info.meta_size = h->meta_size;
  return 0;
}

void *
fc_copy_target (fc_consumer_t *c, fc_frame_t *frame, size_t size, int *error)
{
  if (frame->data != NULL && frame->data != c->buffer)
    {
      if (size <= frame->capacity)
        return frame->data;
      *error
          = fc_fail (-EMSGSIZE, "the frame has %zu bytes, the buffer given %zu",
                     size, frame->capacity);
      return NULL;
    }
  if (c->buffer_size < size || c->buffer == NULL)
    {
      size_t room = (size_t) ((fc_attachment_t *) c->att)->geo.frame_size;
      size_t enough = size * 2 + MIN_ROOM;

      /* This frame's size was checked against the memory that it has; how
       * large the ring's frames may be, its writer can say as it likes. */
      if (room > enough)
        room = enough;
      free (c->buffer);
      c->buffer = malloc (room);
      c->buffer_size = c->buffer != NULL ? room : 0;
    }
  if (c->buffer == NULL)
    *error = fc_fail (-ENOMEM, "out of memory for a frame of %zu bytes", size);
  return c->buffer;
}

int
fc_look_at (fc_consumer_t *c, uint64_t seq, fc_cell_header_t *header)
{
  fc_attachment_t *att = c->att;
  uint32_t k = att->geo.leases - 1;
  uint64_t word;
  int r = fc_load_map (att, seq, &word);

  if (r < 0 || !FC_MAP_IS (word, seq))
    return r < 0 ? r : 1;
  if (att->observing)
    return fc_observer_look (att, FC_MAP_CELL (word), seq, header);
  r = fc_claim (att, seq, word, k);
  if (r != 0)
    return r;
  *header = att->headers[FC_MAP_CELL (word)];
  fc_end_lease (att, k);
  return 0;
}
