/* Making a ring's files, their life, and giving up those that were replaced.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fc-writer.h"

/* Cells whose pages are there before the ring goes live; the housekeeper sees
 * to the others. */
#define FIRST_CELLS 4

static fc_generation_t *
generation_new (const fc_geometry_t *geo)
{
  fc_generation_t *gen = calloc (1, sizeof *gen);
  size_t words = (geo->cells_planned + 63) / 64;

  if (gen == NULL)
    return NULL;
  gen->fd = gen->table.fd = -1;
  gen->refs = 1;
  gen->geo = *geo;
  gen->clock = fc_clock_offset ();
  gen->key_seq = FC_SEQ_NONE;
  gen->place = malloc (geo->ring_depth * sizeof *gen->place);
  gen->free = malloc (geo->cells_planned * sizeof *gen->free);
  gen->retired = malloc (geo->cells_planned * sizeof *gen->retired);
  gen->held = calloc (words, sizeof *gen->held);
  gen->marks = calloc (words, sizeof *gen->marks);
  if (gen->place == NULL || gen->free == NULL || gen->retired == NULL
      || gen->held == NULL || gen->marks == NULL)
    {
      fc_generation_unref (gen);
      return NULL;
    }
  for (uint32_t i = 0; i < geo->ring_depth; i++)
    gen->place[i] = FC_NO_CELL;
  return gen;
}

void
fc_generation_unref (fc_generation_t *gen)
{
  if (gen == NULL || --gen->refs > 0)
    return;
  fc_unmap (gen->base, gen->geo.ring_planned);
  fc_table_close (&gen->table);
  if (gen->fd >= 0)
    close (gen->fd);
  free (gen->place);
  free (gen->free);
  free (gen->retired);
  free (gen->held);
  free (gen->marks);
  free (gen);
}

static int
map_ring (fc_generation_t *gen)
{
  const fc_geometry_t *geo = &gen->geo;

  gen->base = fc_map (gen->fd, geo->ring_planned, true, gen->path);
  if (gen->base == NULL)
    return -ENOMEM;
  /* Has an effect where the system allows huge pages for shared memory. */
  (void) madvise (gen->base, (size_t) geo->ring_planned, MADV_HUGEPAGE);
  gen->header = (fc_ring_header_t *) gen->base;
  gen->words = (fc_words_t *) (gen->base + geo->words_offset);
  gen->map = (_Atomic uint64_t *) (gen->base + geo->map_offset);
  gen->headers = (fc_cell_header_t *) (gen->base + geo->headers_offset);
  return 0;
}

/* Making ---------------------------------------------------------------- */

static uint64_t
bytes_needed (const fc_geometry_t *geo)
{
  return geo->ring_initial + geo->table_size;
}

static void
write_table_header (fc_table_header_t *header, const fc_geometry_t *geo,
                    uint64_t id)
{
  memcpy (header->magic, FC_TABLE_MAGIC, sizeof header->magic);
  header->layout_version = FC_LAYOUT_VERSION;
  header->header_size = sizeof *header;
  header->id = id;
  header->entries = geo->max_consumers;
  header->leases = geo->leases;
  header->entry_stride = geo->entry_stride;
  header->entries_offset = geo->entries_offset;
}

static int
lock_table (int fd, uint32_t entries, const char *path)
{
  int r = fc_lock_bytes (fd, FC_LOCK_WRITER (entries), 2);

  if (r < 0)
    return fc_fail (r, "%s: the writer's bytes of its table are locked", path);
  return 0;
}

/* Locked while it is nobody else's: it has a name from the beginning, and
 * whoever it will be opened to may be waiting for it. */
static int
create_table (fc_generation_t *gen, const fc_dir_t *dir, const char *slot,
              uint64_t id, fc_share_t trust, uint64_t available)
{
  char name[FC_FILE_MAX];
  char path[FC_PATH_MAX];
  void *base;
  int fd, r;

  fc_table_name (name, slot, id);
  snprintf (path, sizeof path, "%s/%s", dir->path, name);
  fd = fc_file_create (dir, name, trust);
  if (fd < 0)
    return fd;
  r = lock_table (fd, gen->geo.max_consumers, path);
  if (r == 0)
    r = fc_reserve_of (fd, 0, gen->geo.table_size, bytes_needed (&gen->geo),
                       available, path);
  if (r == 0)
    {
      base = fc_map (fd, gen->geo.table_size, true, path);
      if (base != NULL)
        {
          fc_populate_write (base, gen->geo.table_size);
          write_table_header (base, &gen->geo, id);
          fc_table_init (&gen->table, fd, base, &gen->geo);
          return 0;
        }
      r = -ENOMEM;
    }
  unlinkat (dir->fd, name, 0);
  close (fd);
  return r;
}

static void
write_header (fc_generation_t *gen, const fc_writer_options_t *options,
              const fc_ancestry_t *from, uint64_t id)
{
  const fc_geometry_t *geo = &gen->geo;
  fc_ring_header_t *h = gen->header;

  memcpy (h->magic, FC_RING_MAGIC, sizeof h->magic);
  h->layout_version = FC_LAYOUT_VERSION;
  h->header_size = sizeof *h;
  h->byte_order = FC_BYTE_ORDER;
  h->page_size = (uint32_t) sysconf (_SC_PAGESIZE);
  h->id = id;
  h->lineage = from->lineage != 0 ? from->lineage : id;
  h->lineage_first = from->lineage != 0 ? from->lineage_first : from->first_seq;
  h->frame_size = geo->frame_size;
  h->cell_stride = geo->cell_stride;
  h->ring_depth = geo->ring_depth;
  h->cells_planned = geo->cells_planned;
  h->max_consumers = geo->max_consumers;
  h->leases = geo->leases;
  h->writer_cells = geo->writer_cells;
  h->access = options->access;
  h->trust = options->trust;
  h->observers = options->observers || options->access != options->trust;
  h->reserved = from->reserved;
  h->generation = from->generation;
  h->first_seq = from->first_seq;
  h->created_ns = fc_time_of_machine (fc_now (CLOCK_MONOTONIC), gen->clock);
  h->created_wall_ns = fc_now (CLOCK_REALTIME);
  h->words_offset = geo->words_offset;
  h->map_offset = geo->map_offset;
  h->sticky_offset = geo->sticky_offset;
  h->headers_offset = geo->headers_offset;
  h->format_offset = geo->format_offset;
  h->cells_offset = geo->cells_offset;
  h->format_capacity = geo->format_capacity;
  if (options->format_size > 0)
    memcpy (gen->base + geo->format_offset, options->format,
            options->format_size);
  atomic_init (&h->format_size, options->format_size);
  gen->format_size = options->format_size;
  gen->generation = h->generation;
  gen->observers = h->observers != 0;
}

static void
fill_ring (fc_generation_t *gen, const fc_writer_options_t *options,
           const fc_ancestry_t *from, uint64_t id)
{
  const fc_geometry_t *geo = &gen->geo;
  uint32_t first
      = geo->cells_initial < FIRST_CELLS ? geo->cells_initial : FIRST_CELLS;

  fc_populate_write (gen->base, fc_cell_offset (geo, first));
  gen->populated = first;
  write_header (gen, options, from, id);
  for (uint32_t i = 0; i < geo->ring_depth; i++)
    atomic_store_explicit (&gen->map[i], FC_MAP_NONE, memory_order_relaxed);
  for (uint32_t i = 0; i < geo->cells_planned; i++)
    atomic_store_explicit (&gen->headers[i].seq, FC_SEQ_NONE,
                           memory_order_relaxed);
  atomic_store_explicit (&gen->words->head, from->first_seq,
                         memory_order_relaxed);
  atomic_store_explicit (&gen->words->cells, geo->cells_initial,
                         memory_order_relaxed);
  gen->head = from->first_seq;
  gen->cells = geo->cells_initial;
  for (uint32_t i = gen->cells; i > 0; i--)
    gen->free[gen->n_free++] = (uint16_t) (i - 1);
}

static int
create_ring (fc_generation_t *gen, const fc_dir_t *dir, const char *slot,
             const fc_writer_options_t *options, const fc_ancestry_t *from,
             uint64_t id, uint64_t available)
{
  char name[FC_FILE_MAX];
  int r;

  fc_ring_name (name, slot);
  snprintf (gen->path, sizeof gen->path, "%s/%s", dir->path, name);
  fc_temp_name (name, slot, id);
  gen->fd = fc_file_create (dir, name, options->access);
  if (gen->fd < 0)
    return gen->fd;
  /* Nobody else could open it yet, let alone lock it. */
  gen->locked = fc_lock_bytes (gen->fd, 0, 1) == 0;
  r = fc_reserve_of (gen->fd, 0, gen->geo.ring_initial,
                     bytes_needed (&gen->geo), available, gen->path);
  if (r == 0)
    r = map_ring (gen);
  if (r == 0)
    fill_ring (gen, options, from, id);
  if (r < 0)
    unlinkat (dir->fd, name, 0);
  return r;
}

int
fc_generation_create (fc_generation_t **result, const fc_dir_t *dir,
                      const char *slot, const fc_writer_options_t *options,
                      const fc_ancestry_t *from)
{
  char name[FC_FILE_MAX];
  fc_geometry_t geo;
  fc_generation_t *gen;
  uint64_t id = fc_random ();
  uint32_t format = options->format_size;
  uint64_t available;
  int r;

  /* A reserved slot without a format keeps room for any. */
  if (from->reserved && format == 0)
    format = FC_FORMAT_MAX;
  r = fc_geometry (&geo, options->frame_size, options->ring_depth,
                   options->max_consumers, options->leases,
                   options->writer_cells, format);
  if (r == 0)
    r = fc_dir_lets_through (dir, options->access, "access");
  if (r == 0)
    r = fc_dir_lets_through (dir, options->trust, "trust");
  if (r < 0)
    return r;
  gen = generation_new (&geo);
  if (gen == NULL)
    return fc_fail (-ENOMEM, "out of memory");
  available = fc_bytes_free (dir->fd);
  r = create_table (gen, dir, slot, id, options->trust, available);
  if (r < 0)
    goto no_table;
  r = create_ring (gen, dir, slot, options, from, id, available);
  if (r < 0)
    goto no_ring;
  *result = gen;
  return 0;

no_ring:
  fc_table_name (name, slot, id);
  unlinkat (dir->fd, name, 0);
no_table:
  fc_generation_unref (gen);
  return r;
}

void
fc_generation_show_life (fc_generation_t *gen)
{
  /* Any reader can hold a read lock on a ring that is taken over, and so keep
   * the writer from having its own: then it says by the clock that it lives.
   * The lock is had first, and the word 0 after it: see fc_ring_lives (). */
  if (!gen->locked)
    gen->locked = fc_lock_bytes (gen->fd, 0, 1) == 0;
  atomic_store_explicit (
      &gen->words->beat_ns,
      gen->locked ? 0
                  : fc_time_of_machine (fc_now (CLOCK_MONOTONIC), gen->clock),
      memory_order_relaxed);
}

int
fc_generation_publish (fc_generation_t *gen, const fc_dir_t *dir,
                       const char *slot)
{
  char temp[FC_FILE_MAX];
  char name[FC_FILE_MAX];

  fc_temp_name (temp, slot, gen->header->id);
  fc_ring_name (name, slot);
  /* Opened to others only now: nobody could lock them before the writer. */
  if (fchmod (gen->table.fd, fc_trust_mode ((fc_share_t) gen->header->trust))
          == 0
      && fchmod (gen->fd, fc_access_mode ((fc_share_t) gen->header->access))
             == 0
      && renameat (dir->fd, temp, dir->fd, name) == 0)
    return 0;
  return fc_fail (-errno, "can not give %s its name: %s", gen->path,
                  strerror (errno));
}

void
fc_generation_discard (fc_generation_t *gen, const fc_dir_t *dir,
                       const char *slot)
{
  char name[FC_FILE_MAX];

  fc_temp_name (name, slot, gen->header->id);
  unlinkat (dir->fd, name, 0);
  fc_table_name (name, slot, gen->header->id);
  unlinkat (dir->fd, name, 0);
  fc_generation_unref (gen);
}

void
fc_generation_unlink (fc_generation_t *gen, const fc_dir_t *dir,
                      const char *slot)
{
  char name[FC_FILE_MAX];
  struct stat own, named;

  fc_ring_name (name, slot);
  if (fstat (gen->fd, &own) == 0
      && fstatat (dir->fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0
      && own.st_dev == named.st_dev && own.st_ino == named.st_ino)
    unlinkat (dir->fd, name, 0);
  fc_table_name (name, slot, gen->header->id);
  unlinkat (dir->fd, name, 0);
}

/* Life ------------------------------------------------------------------ */

void
fc_generation_go_on_from (fc_generation_t *gen, const fc_generation_t *old)
{
  gen->head = gen->header->first_seq = old->head;
  gen->keys = gen->header->first_keys = old->keys;
  /* Nobody else has it yet: its name, given later, is what publishes it. */
  atomic_store_explicit (&gen->words->head, gen->head, memory_order_relaxed);
}

/* The count of key frames that a dead or finished writer left, from the newest
 * frame that it left. Where its history is gone the count of what was in it
 * is too. */
static uint64_t
inherited_keys (const fc_generation_t *gen)
{
  uint64_t first = gen->header->first_seq;
  uint32_t depth = gen->geo.ring_depth;

  for (uint64_t seq = gen->head; seq > first && gen->head - seq < depth; seq--)
    {
      uint64_t word = atomic_load_explicit (&gen->map[(seq - 1) % depth],
                                            memory_order_relaxed);

      if (FC_MAP_IS (word, seq - 1)
          && FC_MAP_CELL (word) < gen->geo.cells_planned)
        return gen->headers[FC_MAP_CELL (word)].keys;
    }
  return gen->header->first_keys;
}

static fc_sticky_t *
sticky_place (const fc_generation_t *gen, uint32_t serial)
{
  return (fc_sticky_t *) (gen->base + gen->geo.sticky_offset) + serial % 2;
}

void
fc_generation_copy_sticky (fc_generation_t *gen, const fc_generation_t *from)
{
  gen->sticky = from->sticky;
  memcpy (sticky_place (gen, gen->sticky), sticky_place (from, gen->sticky),
          sizeof (fc_sticky_t));
  atomic_store_explicit (&gen->words->sticky, gen->sticky,
                         memory_order_relaxed);
}

void
fc_generation_write_sticky (fc_generation_t *gen, const void *data, size_t size)
{
  fc_sticky_t *place = sticky_place (gen, gen->sticky + 1);
  const uint8_t *from = data;

  /* fc_generation_write_sticky:A, pairs with copy_sticky:A: a reader
   * that copies words stored after this fence, in the place whose serial is
   * over, sees the serial that ended it. */
  fc_fence (memory_order_release);
  atomic_store_explicit (&place->size, size, memory_order_relaxed);
  for (size_t i = 0; i < size; i += 8)
    {
      uint64_t word = 0;

      memcpy (&word, from + i, size - i < 8 ? size - i : 8);
      atomic_store_explicit (&place->word[i / 8], word, memory_order_relaxed);
    }
  /* fc_generation_write_sticky:B, pairs with fc_load_serial:A. */
  gen->sticky++;
  atomic_store_explicit (&gen->words->sticky, gen->sticky,
                         memory_order_release);
}

uint64_t
fc_generation_shortened (const fc_generation_t *gen)
{
  return atomic_load_explicit (&gen->words->shortened, memory_order_relaxed);
}

uint64_t
fc_generation_dropped (const fc_generation_t *gen)
{
  return atomic_load_explicit (&gen->words->dropped, memory_order_relaxed);
}

void
fc_generation_set_state (fc_generation_t *gen, fc_state_t state)
{
  /* fc_generation_set_state:A, pairs with fc_load_state:A: head was stored
   * before, so an end is seen only with the last frame. */
  atomic_store_explicit (&gen->words->state, state, memory_order_seq_cst);
  atomic_fetch_add_explicit (&gen->words->wake, 1, memory_order_seq_cst);
  fc_table_wake_all (&gen->table);
  fc_futex_wake (&gen->words->wake, INT_MAX);
  /* Who watches the directory (fc_slot_dirs) does not see the words. */
  (void) futimens (gen->fd, NULL);
}

void
fc_generation_set_live (fc_generation_t *gen, uint64_t latency_ns)
{
  fc_words_t *words = gen->words;

  gen->epoch++;
  gen->finished = false;
  atomic_store_explicit (&words->epoch, gen->epoch, memory_order_relaxed);
  atomic_store_explicit (&words->pid, (uint32_t) getpid (),
                         memory_order_relaxed);
  atomic_store_explicit (&words->uid, (uint32_t) geteuid (),
                         memory_order_relaxed);
  atomic_store_explicit (&words->latency_ns, latency_ns, memory_order_relaxed);
  atomic_store_explicit (&words->cells_out, gen->out, memory_order_relaxed);
  /* The dead writer may have been killed between clearing a waiting flag and
   * waking its consumer: everybody is woken. */
  fc_generation_set_state (gen, FC_STATE_LIVE);
}

/* Giving up -------------------------------------------------------------- */

int
fc_generation_inherit (fc_generation_t **result, const fc_ring_file_t *ring,
                       const fc_dir_t *dir, const char *slot)
{
  fc_generation_t *gen = generation_new (&ring->geo);
  int r;

  if (gen == NULL)
    return fc_fail (-ENOMEM, "out of memory");
  memcpy (gen->path, ring->path, sizeof gen->path);
  gen->fd = fcntl (ring->fd, F_DUPFD_CLOEXEC, 0);
  r = gen->fd < 0 ? fc_fail (-errno, "%s: %s", ring->path, strerror (errno))
                  : 0;
  if (r == 0)
    r = fc_table_open (&gen->table, ring, dir, slot, O_RDWR);
  if (r == 0)
    r = map_ring (gen);
  if (r == 0)
    {
      /* fc_generation_inherit:A, pairs with fc_cells_publish:C. */
      gen->head
          = atomic_load_explicit (&gen->words->head, memory_order_acquire);
      gen->keys = inherited_keys (gen);
      gen->foreign
          = lock_table (gen->table.fd, gen->geo.max_consumers, gen->path) < 0;
      if (!gen->foreign)
        fc_generation_show_life (gen);
      *result = gen;
      return 0;
    }
  fc_generation_unref (gen);
  return r;
}

bool
fc_generation_cut (fc_generation_t *gen, bool in_use)
{
  struct stat st;
  uint32_t keep;
  uint64_t length;

  for (uint32_t i = 0; i < gen->geo.ring_depth; i++)
    /* fc_generation_cut:A, pairs with fc_load_map:A, as
     * fc_cells_publish:B does: then the leases, then the end of the file. */
    atomic_store_explicit (&gen->map[i], FC_MAP_NONE, memory_order_seq_cst);
  /* Without the writer's mutex, and so without what it guards. */
  keep = fc_table_end_of_leased (&gen->table, gen->geo.cells_planned);
  /* Another process's upstream may be writing in any cell: it has the memory
   * then, and it goes with that process. */
  if (gen->foreign)
    return true;
  if (in_use)
    return false;
  length = fc_cell_offset (&gen->geo, keep);
  if (fstat (gen->fd, &st) == 0 && (uint64_t) st.st_size > length)
    (void) FC_RETRY (ftruncate (gen->fd, (off_t) length));
  return keep == 0;
}
