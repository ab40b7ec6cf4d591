/* The observer: it has no write path to anything and dereferences no mapping,
 * so a file that its writer cuts or spoils costs it an error and not a signal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sys/stat.h>

#include "fc-consumer.h"

/* The frame's bytes could not be read. Where its place in the map has changed
 * the ring was given up meanwhile, and cut: the frame is gone, nothing is
 * damaged. */
static int
gone_or_damaged (const fc_consumer_t *c, uint64_t word, int error)
{
  uint64_t again;

  return fc_load_map (c->att, c->cursor, &again) == 0 && again != word ? 1
                                                                       : error;
}

/* A frame has at most the memory that its ring takes, and that was reserved. A
 * file with holes costs its writer nothing, at any size: to copy it would cost
 * the observer all the memory there is. */
static bool
has_memory (fc_attachment_t *att, uint64_t size)
{
  struct stat st;

  if (size > att->allocated && fstat (att->fd, &st) == 0)
    att->allocated = (uint64_t) st.st_blocks * 512;
  return size <= att->allocated;
}

int
fc_observer_copy (fc_consumer_t *c, uint64_t word, fc_frame_t *frame)
{
  fc_attachment_t *att = c->att;
  uint32_t cell = FC_MAP_CELL (word);
  uint64_t at = att->geo.headers_offset + cell * sizeof (fc_cell_header_t);
  fc_cell_header_t header;
  uint64_t again;
  void *into;
  int r;

  /* fc_observer_copy:A, pairs with fc_cells_publish:A. */
  r = fc_pread (att->fd, &header, sizeof header, at, att->path);
  if (r < 0)
    return r;
  fc_fence (memory_order_acquire);
  if (header.seq != c->cursor)
    return 1;
  r = fc_fill_frame (att, &header, frame);
  if (r == 0 && !has_memory (att, header.size))
    r = fc_say_damaged (att, "a frame is larger than its file");
  if (r < 0)
    return r;
  into = fc_copy_target (c, frame, (size_t) header.size, &r);
  if (into == NULL)
    return r;
  r = fc_pread (att->fd, into, (size_t) header.size,
                fc_cell_offset (&att->geo, cell), att->path);
  if (r == 0 && header.meta_size > 0)
    r = fc_pread (att->fd, c->meta, header.meta_size,
                  fc_cell_offset (&att->geo, cell) + att->geo.meta_offset,
                  att->path);
  if (r < 0)
    return gone_or_damaged (c, word, r);
  /* fc_observer_copy:B, pairs with fc_cells_get:A and :B. */
  fc_fence (memory_order_acquire);
  r = fc_pread (att->fd, &again, sizeof again, at, att->path);
  if (r < 0)
    return r;
  if (again != c->cursor)
    return 1;
  frame->data = into;
  frame->info.meta = header.meta_size > 0 ? c->meta : NULL;
  return 0;
}
