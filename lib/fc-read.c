/* Reading frames: where the cursor is, leases, copies, and exact counts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fc-consumer.h"

static void
count_lost (fc_consumer_t *c, uint64_t n)
{
  c->cursor += n;
  c->dropped += n;
  c->total_dropped += n;
  if (c->unreported == 0)
    c->laps++;
  c->unreported += n;
}

static int
damaged (const fc_attachment_t *att, const char *what)
{
  return fc_fail (-EPROTO,
                  "%s is damaged: %s; restart its writer, or remove the slot",
                  att->path, what);
}

/* Every frame was taken: how the ring ended, or 0. */
static int
ended (const fc_attachment_t *att, uint32_t state)
{
  switch (state)
    {
    case FC_STATE_EOS:
      return fc_fail (FC_EOS, "%s: the stream ended", att->path);
    case FC_STATE_REPLACED:
      return fc_fail (FC_REPLACED,
                      "%s was replaced by a new generation: attach again",
                      att->path);
    case FC_STATE_REMOVED:
      return fc_fail (FC_REPLACED, "%s was removed: attach again", att->path);
    default:
      return 0;
    }
}

/* Find the frame at the cursor: its word in the map, and 1; 0 where there is
 * none yet; or how it ended. */
static int
peek (fc_consumer_t *c, uint64_t *word)
{
  const fc_attachment_t *att = c->att;

  for (;;)
    {
      uint32_t state;
      uint64_t head, to;
      int r = fc_load_state (att, &state);

      if (r == 0)
        r = fc_load_head (att, &head);
      if (r < 0)
        return r;
      if (head == c->cursor)
        return ended (att, state);
      if (head < c->cursor)
        return damaged (att, "its write cursor went back");
      if (head - c->cursor > att->geo.ring_depth)
        {
          r = fc_find_lap (c, head, &to);
          if (r < 0)
            return r;
          count_lost (c, to - c->cursor);
          continue;
        }
      r = fc_load_map (att, c->cursor, word);
      if (r < 0)
        return r;
      if (FC_MAP_IS (*word, c->cursor))
        return 1;
      count_lost (c, 1);
    }
}

static _Atomic uint32_t *
lease_word (const fc_attachment_t *att, uint32_t k)
{
  return &att->entry->lease[k];
}

static void
end_lease (const fc_attachment_t *att, uint32_t k)
{
  /* end_lease:A, pairs with fc_table_mark_leased:A: what was read is read.
   */
  atomic_store_explicit (lease_word (att, k), 0, memory_order_release);
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
static int
claim (fc_attachment_t *att, uint64_t seq, uint64_t word, uint32_t k)
{
  uint32_t cell = FC_MAP_CELL (word);
  uint64_t again;

  if (cell >= att->geo.cells_planned)
    return damaged (att, "its map names a cell that there is not");
  /* claim:A, pairs with fc_table_mark_leased:A. */
  atomic_store_explicit (lease_word (att, k), cell + 1, memory_order_seq_cst);
  (void) fc_load_map (att, seq, &again);
  if (again != word)
    {
      end_lease (att, k);
      return 1;
    }
  if (!is_allocated (att, cell))
    {
      end_lease (att, k);
      return damaged (att, "it is truncated");
    }
  /* claim:B, pairs with fc_cells_publish:A. Another number is
   * that of a frame whose lease somebody took away, or of one that a killed
   * writer left half made. */
  if (atomic_load_explicit (&att->headers[cell].seq, memory_order_acquire)
      == seq)
    return 0;
  end_lease (att, k);
  return 1;
}

int
fc_fill_frame (const fc_attachment_t *att, const fc_cell_header_t *h,
               fc_frame_t *frame)
{
  if (h->size > att->geo.frame_size || h->meta_size > FC_META_MAX)
    return damaged (att, "a frame is larger than its cell");
  frame->seq = h->seq;
  frame->size = (size_t) h->size;
  frame->epoch = h->epoch;
  frame->sticky = h->sticky;
  frame->key_seq = h->key_seq;
  frame->generation = att->header.generation;
  frame->info.flags = h->flags;
  frame->info.user_flags = h->user_flags;
  frame->info.pts = h->pts;
  frame->info.dts = h->dts;
  frame->info.duration = h->duration;
  frame->info.running_time = h->running_time;
  frame->info.offset = h->offset;
  frame->info.offset_end = h->offset_end;
  frame->info.capture_ns = h->capture_ns;
  frame->info.commit_ns = h->commit_ns;
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
    {
      r = fc_pread (att->fd, header, sizeof *header,
                    att->geo.headers_offset
                        + FC_MAP_CELL (word) * sizeof *header,
                    att->path);
      return r < 0 ? r : header->seq != seq;
    }
  r = claim (att, seq, word, k);
  if (r != 0)
    return r;
  *header = att->headers[FC_MAP_CELL (word)];
  end_lease (att, k);
  return 0;
}

/* A copy is a lease for as long as the copy lasts. */
static int
copy (fc_consumer_t *c, uint64_t word, fc_frame_t *frame)
{
  fc_attachment_t *att = c->att;
  uint32_t k = att->geo.leases - 1;
  uint32_t cell = FC_MAP_CELL (word);
  const fc_cell_header_t *h = &att->headers[cell];
  const uint8_t *from;
  void *into;
  int r;

  if (att->observing)
    return fc_observer_copy (c, word, frame);
  r = claim (att, c->cursor, word, k);
  if (r != 0)
    return r;
  from = att->base + fc_cell_offset (&att->geo, cell);
  r = fc_fill_frame (att, h, frame);
  if (r == 0)
    {
      into = fc_copy_target (c, frame, frame->size, &r);
      if (into != NULL)
        {
          memcpy (into, from, frame->size);
          memcpy (c->meta, from + att->geo.meta_offset, frame->info.meta_size);
          frame->data = into;
          frame->info.meta = frame->info.meta_size > 0 ? c->meta : NULL;
        }
    }
  /* copy:A, pairs with fc_cells_get:A: whom the slot trusts could
   * have cleared the lease. */
  fc_fence (memory_order_acquire);
  if (r == 0
      && atomic_load_explicit (&h->seq, memory_order_relaxed) != c->cursor)
    r = 1;
  end_lease (att, k);
  return r;
}

static int
lease (fc_consumer_t *c, uint64_t word, uint32_t k, fc_frame_t *frame)
{
  fc_attachment_t *att = c->att;
  uint32_t cell = FC_MAP_CELL (word);
  const uint8_t *from;
  int r = claim (att, c->cursor, word, k);

  if (r != 0)
    return r;
  r = fc_fill_frame (att, &att->headers[cell], frame);
  if (r < 0)
    {
      end_lease (att, k);
      return r;
    }
  from = att->base + fc_cell_offset (&att->geo, cell);
  frame->data = (void *) from;
  frame->capacity = frame->size;
  if (frame->info.meta_size > 0)
    frame->info.meta = from + att->geo.meta_offset;
  frame->hold[0] = att;
  frame->hold[1] = (void *) (uintptr_t) k;
  atomic_store_explicit (&att->busy[k], 1, memory_order_relaxed);
  atomic_fetch_add_explicit (&att->refs, 1, memory_order_relaxed);
  atomic_fetch_add_explicit (&c->refs, 1, memory_order_relaxed);
  atomic_fetch_add_explicit (&c->leases_out, 1, memory_order_relaxed);
  return 0;
}

static int
free_lease (const fc_attachment_t *att)
{
  for (uint32_t k = 0; k + 1 < att->geo.leases; k++)
    /* free_lease:A, pairs with fc_consumer_release:A. */
    if (atomic_load_explicit (&att->busy[k], memory_order_acquire) == 0)
      return (int) k;
  return fc_fail (-EAGAIN,
                  "all %u leases of this consumer are out; release one, or "
                  "copy (fc_consumer_read)",
                  att->geo.leases - 1);
}

static void
show (fc_consumer_t *c)
{
  const fc_attachment_t *att = c->att;

  if (att->observing)
    return;
  atomic_store_explicit (&att->entry->cursor, c->cursor, memory_order_relaxed);
  atomic_store_explicit (&att->entry->delivered, c->delivered,
                         memory_order_relaxed);
  atomic_store_explicit (&att->entry->dropped, c->dropped,
                         memory_order_relaxed);
}

static int
deliver (fc_consumer_t *c, fc_frame_t *frame)
{
  frame->dropped = c->unreported;
  if (frame->epoch != c->epoch || frame->generation != c->generation)
    {
      if (c->epoch != 0)
        frame->info.flags |= FC_FRAME_EPOCH;
      c->epoch = frame->epoch;
      c->generation = frame->generation;
    }
  c->unreported = 0;
  c->cursor++;
  c->delivered++;
  c->total_delivered++;
  show (c);
  return frame->dropped > 0 ? FC_DROPPED : FC_OK;
}

/* K is the lease to use, or -1 to copy. */
static int
next_frame (fc_consumer_t *c, fc_frame_t *frame, int64_t timeout, int k)
{
  uint64_t until = 0;
  int r = fc_check_struct ("fc_frame_t", frame->struct_size, sizeof *frame);

  if (r < 0)
    return r;
  if (c->att == NULL)
    return fc_fail (-ENOENT, "slot %s is not attached: fc_consumer_attach ()",
                    c->slot);
  for (;;)
    {
      uint64_t word;

      r = peek (c, &word);
      if (r == 1)
        {
          r = k < 0 ? copy (c, word, frame)
                    : lease (c, word, (uint32_t) k, frame);
          if (r == 0)
            return deliver (c, frame);
          if (r < 0)
            return r;
          count_lost (c, 1);
          continue;
        }
      if (r == 0)
        {
          if (until == 0)
            until = fc_deadline (timeout);
          r = fc_consumer_wait (c, until);
        }
      if (r < 0)
        {
          show (c);
          return r;
        }
    }
}

int
fc_consumer_lease (fc_consumer_t *c, fc_frame_t *frame, int64_t timeout)
{
  const fc_attachment_t *att = c->att;
  int k = 0;

  frame->hold[0] = NULL;
  if (att != NULL && att->observing)
    return fc_fail (-EPERM,
                    "%s: an observer has no leases; copy (fc_consumer_read)",
                    att->path);
  if (att != NULL)
    k = free_lease (att);
  if (k < 0)
    return k;
  return next_frame (c, frame, timeout, k);
}

int
fc_consumer_read (fc_consumer_t *c, fc_frame_t *frame, int64_t timeout)
{
  uint8_t *given;
  int r;

  /* Where the frame still has a lease, its data is that of the ring. */
  if (frame->hold[0] != NULL)
    frame->data = NULL;
  frame->hold[0] = NULL;
  given = frame->data;
  r = next_frame (c, frame, timeout, -1);

  if (r < 0)
    frame->data = given;
  return r;
}

void
fc_consumer_release (fc_consumer_t *c, fc_frame_t *frame)
{
  fc_attachment_t *att = frame->hold[0];
  uint32_t k = (uint32_t) (uintptr_t) frame->hold[1];

  if (att == NULL)
    return;
  frame->hold[0] = NULL;
  frame->data = NULL;
  frame->capacity = 0;
  frame->info.meta = NULL;
  end_lease (att, k);
  /* fc_consumer_release:A, pairs with free_lease:A. */
  atomic_store_explicit (&att->busy[k], 0, memory_order_release);
  atomic_fetch_sub_explicit (&c->leases_out, 1, memory_order_relaxed);
  fc_attachment_unref (att);
  fc_consumer_unref (c);
}

int
fc_frame_intact (fc_consumer_t *c, const fc_frame_t *frame)
{
  const fc_attachment_t *att = frame->hold[0];
  uint32_t k = (uint32_t) (uintptr_t) frame->hold[1];
  uint64_t at, cell;

  if (att == NULL)
    return 0;
  at = (uint64_t) ((const uint8_t *) frame->data - att->base);
  cell = (at - att->geo.cells_offset) / att->geo.cell_stride;
  /* fc_frame_intact:A, pairs with fc_cells_get:A. */
  fc_fence (memory_order_acquire);
  return atomic_load_explicit (&att->headers[cell].seq, memory_order_relaxed)
             == frame->seq
         && atomic_load_explicit (lease_word (att, k), memory_order_relaxed)
                == cell + 1;
}
