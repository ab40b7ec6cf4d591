/* Finding a slot and attaching to its ring, as a consumer or as an observer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fc-consumer.h"

#define TABLE_TRIES 10

FC_HOT void
fc_attachment_unref (fc_attachment_t *att)
{
  /* fc_attachment_unref:A: the last one sees what the others did. */
  if (att == NULL
      || atomic_fetch_sub_explicit (&att->refs, 1, memory_order_acq_rel) > 1)
    return;
  if (att->entry != NULL)
    fc_table_detach (&att->table, att->entry_number);
  fc_table_close (&att->table);
  if (att->base != NULL)
    fc_unmap ((void *) att->base, att->geo.ring_planned);
  else if (att->words != NULL)
    fc_unmap ((void *) ((uintptr_t) att->words - att->geo.words_offset),
              att->geo.cells_offset);
  if (att->fd >= 0)
    close (att->fd);
  free ((void *) att->busy);
  free (att->format);
  free (att);
}

FC_HOT void
fc_consumer_unref (fc_consumer_t *c)
{
  /* fc_consumer_unref:A: the last one sees what the others did. */
  if (atomic_fetch_sub_explicit (&c->refs, 1, memory_order_acq_rel) > 1)
    return;
  if (c->event_fd >= 0)
    close (c->event_fd);
  fc_mark_free (c->mark);
  free (c->dir);
  free (c->buffer);
  free (c);
}

static fc_attachment_t *
attachment_new (fc_ring_file_t *ring)
{
  fc_attachment_t *att = calloc (1, sizeof *att);

  if (att == NULL)
    return NULL;
  atomic_init (&att->refs, 1);
  att->header = ring->header;
  att->generation = att->header.generation;
  att->geo = ring->geo;
  att->size = (uint64_t) ring->st.st_size;
  att->clock = fc_clock_offset ();
  memcpy (att->path, ring->path, sizeof att->path);
  att->fd = ring->fd; /* taken */
  ring->fd = -1;
  att->table.fd = -1;
  att->busy = calloc (att->geo.leases, sizeof *att->busy);
  if (att->busy != NULL)
    return att;
  fc_attachment_unref (att);
  return NULL;
}

static int
attach_observer (fc_attachment_t *att)
{
  uint8_t *base = fc_map (att->fd, att->geo.cells_offset, false, att->path);

  if (base == NULL)
    return -ENOMEM;
  att->observing = true;
  att->words = (const fc_words_t *) (base + att->geo.words_offset);
  return 0;
}

static void
name_entry (const fc_consumer_t *c, fc_entry_t *entry)
{
  uint64_t words[FC_CONSUMER_NAME / 8];

  memcpy (words, c->name, sizeof words);
  for (size_t i = 0; i < FC_CONSUMER_NAME / 8; i++)
    atomic_store_explicit (&entry->name[i], words[i], memory_order_relaxed);
  atomic_store_explicit (&entry->pid, (uint32_t) getpid (),
                         memory_order_relaxed);
  atomic_store_explicit (&entry->uid, (uint32_t) geteuid (),
                         memory_order_relaxed);
}

/* The table is mapped; ATT has it from here on. */
static int
attach_consumer (fc_consumer_t *c, fc_attachment_t *att,
                 const fc_table_t *table)
{
  uint64_t allocated;
  int i;

  att->table = *table;
  att->base = fc_map (att->fd, att->geo.ring_planned, false, att->path);
  if (att->base == NULL)
    return -ENOMEM;
  i = fc_table_attach (&att->table, att->path);
  if (i < 0)
    return i;
  att->entry_number = (uint32_t) i;
  att->entry = fc_table_entry (&att->table, att->entry_number);
  name_entry (c, att->entry);
  att->words = (const fc_words_t *) (att->base + att->geo.words_offset);
  att->map = (const _Atomic uint64_t *) (att->base + att->geo.map_offset);
  att->headers
      = (const fc_cell_header_t *) (att->base + att->geo.headers_offset);
  allocated
      = att->size < att->geo.ring_planned ? att->size : att->geo.ring_planned;
  fc_populate_read (att->base, allocated);
  return 0;
}

static bool
trusts (const fc_consumer_t *c, const fc_ring_file_t *ring)
{
  uid_t uid = ring->st.st_uid;

  if (uid == 0 || fc_is_own (ring->fd, uid)
      || (c->options.trust_uid_set && uid == c->options.trust_uid
          && !fc_is_unknown_user (uid)))
    return true;
  fc_log (&c->log, FC_LOG_INFO,
          "%s: observes, since its writer is user %u%s; name that user as "
          "trusted to hold leases",
          ring->path, (unsigned) uid, fc_user_note (uid));
  return false;
}

/* An attachment to RING, whose descriptor it takes; TABLE is NULL for an
 * observer, and taken too. */
static int
attach_to (fc_consumer_t *c, fc_ring_file_t *ring, fc_table_t *table,
           fc_attachment_t **result)
{
  fc_attachment_t *att = attachment_new (ring);
  int r;

  if (att == NULL)
    {
      if (table != NULL)
        fc_table_close (table);
      return fc_fail (-ENOMEM, "out of memory");
    }
  r = table != NULL ? attach_consumer (c, att, table) : attach_observer (att);
  if (r < 0)
    {
      fc_attachment_unref (att);
      return r;
    }
  *result = att;
  return 0;
}

/* 0: has its table; 1: observes; or an error, -ENOENT where the ring is being
 * replaced or removed. */
static int
open_table (fc_consumer_t *c, const fc_dir_t *dir, const fc_ring_file_t *ring,
            fc_table_t *table)
{
  int r;

  if (c->options.observe)
    return 1;
  if (!trusts (c, ring))
    return 1;
  r = fc_table_open (table, ring, dir, c->slot, O_RDWR);
  if (r == -EACCES || r == -EPERM || r == -EROFS)
    {
      fc_log (&c->log, FC_LOG_INFO,
              "%s: observes, since its consumer table may not be written; "
              "the writer's trust option decides who may",
              ring->path);
      return 1;
    }
  return r;
}

static bool
is_over (const fc_ring_file_t *ring)
{
  fc_words_t words;
  uint32_t state;

  if (fc_pread (ring->fd, &words, sizeof words, ring->geo.words_offset,
                ring->path)
      < 0)
    return true;
  state = atomic_load_explicit (&words.state, memory_order_relaxed);
  return state == FC_STATE_REPLACED || state == FC_STATE_REMOVED;
}

/* The slot's ring is the one that C has already: 1, or -ENOENT where it has
 * ended and nothing is left to take. */
static int
look_at_same (fc_consumer_t *c)
{
  uint32_t state;
  uint64_t head;

  if (fc_load_state (c->att, &state) < 0 || fc_load_head (c->att, &head) < 0
      || state == FC_STATE_REPLACED || state == FC_STATE_REMOVED
      || (state == FC_STATE_EOS && head == c->cursor))
    return fc_fail (-ENOENT, "slot %s has ended, and nothing new has begun",
                    c->slot);
  return 1;
}

int
fc_attach_fds (fc_consumer_t *c, int ring_fd, int table_fd,
               fc_attachment_t **att)
{
  bool observe = c->options.observe || table_fd < 0;
  const fc_attachment_t *had = c->att;
  fc_ring_file_t ring;
  fc_table_t table;
  int r = fc_ring_from_fd (&ring, ring_fd);

  if (r < 0)
    return r;
  if (had != NULL && had->header.id == ring.header.id)
    r = look_at_same (c);
  else if (is_over (&ring))
    r = fc_fail (-ENOENT, "%s is of a ring of slot %s that is over", ring.path,
                 c->slot);
  else
    {
      observe = observe || !trusts (c, &ring);
      if (!observe)
        r = fc_table_from_fd (&table, &ring, table_fd);
      if (r == 0)
        r = attach_to (c, &ring, observe ? NULL : &table, att);
    }
  fc_ring_close (&ring);
  return r;
}

static int
attach_in (fc_consumer_t *c, const fc_dir_t *dir, fc_attachment_t **att)
{
  const fc_attachment_t *had = c->att;
  fc_ring_file_t ring;
  bool foreign = !fc_dir_is_ours (dir);
  fc_table_t table;
  int r = -ENOENT;

  for (int tries = 0; r == -ENOENT && tries < TABLE_TRIES; tries++)
    {
      r = fc_ring_open (&ring, dir, c->slot, O_RDONLY);
      if (r == -EACCES)
        return fc_fail (r,
                        "may not read slot %s in %s: its writer shares it "
                        "with fewer (access=user or group)",
                        c->slot, dir->path);
      if (r < 0)
        return r;
      if (foreign && dir->owner != ring.st.st_uid)
        r = fc_fail (-EPERM,
                     "the slot directory %s belongs to user %u%s, who is "
                     "neither root, nor you, nor the owner of slot %s",
                     dir->path, (unsigned) dir->owner,
                     fc_user_note (dir->owner), c->slot);
      else if (had != NULL && had->header.id == ring.header.id)
        r = look_at_same (c);
      else if (is_over (&ring))
        r = fc_fail (-ENOENT,
                     "slot %s in %s was removed, or is being made "
                     "anew",
                     c->slot, dir->path);
      else
        {
          r = foreign ? 1 : open_table (c, dir, &ring, &table);
          if (r >= 0)
            r = attach_to (c, &ring, r == 0 ? &table : NULL, att);
        }
      fc_ring_close (&ring);
    }
  return r;
}

int
fc_attach_once (fc_consumer_t *c, fc_attachment_t **att)
{
  char first[512] = "";
  int found = -ENOENT;
  fc_dir_t dir;
  int r;

  if (c->options.use_fds)
    {
      if (c->att == NULL)
        return fc_attach_fds (c, c->options.ring_fd, c->options.table_fd, att);
      return fc_fail (-EOPNOTSUPP,
                      "slot %s was attached by descriptors, and can not be "
                      "found again without its directory: "
                      "fc_consumer_attach_fds ()",
                      c->slot);
    }
  for (unsigned n = 0; (r = fc_dir_candidate (&dir, c->dir, n)) != -ERANGE; n++)
    {
      if (r == 0 && dir.fd >= 0)
        r = attach_in (c, &dir, att);
      else if (r == 0)
        r = fc_fail (-ENOENT, "there is no slot directory %s", dir.path);
      fc_dir_close (&dir);
      if (r >= 0)
        return r;
      /* What is wrong with one place is worth telling only when no other one
       * has the slot. */
      if (found == -ENOENT)
        {
          found = r;
          strncpy (first, fc_error_detail (), sizeof first - 1);
        }
    }
  if (found == -ENOENT)
    return fc_fail (found,
                    "there is no slot %s in %s; is its writer running, and "
                    "with the same FC_DIR?",
                    c->slot, c->dir != NULL ? c->dir : fc_dirs_text ());
  return fc_fail (found, "%s", first);
}
