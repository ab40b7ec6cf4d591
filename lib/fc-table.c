/* The consumer table: who is attached, who waits, what they lease. Every word
 * of it is foreign: copied once, its range checked, work bounded by the size.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fc-private.h"

#define ATTACH_TRIES 20
#define ATTACH_PAUSE_NS (FC_NS_PER_S / 1000)

void
fc_table_init (fc_table_t *table, int fd, void *base, const fc_geometry_t *geo)
{
  table->fd = fd;
  table->copied = false;
  table->base = base;
  table->size = geo->table_size;
  table->entries = geo->max_consumers;
  table->leases = geo->leases;
  table->stride = geo->entry_stride;
  table->offset = geo->entries_offset;
}

void
fc_table_close (fc_table_t *table)
{
  if (table->copied)
    free (table->base);
  else
    fc_unmap (table->base, table->size);
  if (table->fd >= 0)
    close (table->fd);
  table->base = NULL;
  table->fd = -1;
}

int
fc_table_reread (fc_table_t *table, size_t size, const char *path)
{
  return fc_pread (table->fd, table->base, size, 0, path);
}

fc_entry_t *
fc_table_entry (const fc_table_t *table, uint32_t i)
{
  uint8_t *base = table->base;

  return (fc_entry_t *) (base + table->offset + (size_t) i * table->stride);
}

_Atomic uint64_t *
fc_table_attached (const fc_table_t *table)
{
  uint8_t *base = table->base;

  return (_Atomic uint64_t *) (base + FC_ATTACHED_OFFSET);
}

static uint64_t
attached_word (const fc_table_t *table, uint32_t word)
{
  uint64_t bits;
  uint32_t left = table->entries - word * 64;

  /* attached_word:A, pairs with set_attached:A: an entry that is not
   * seen attached here has yet to store its first lease and its first
   * waiting, so it looks at map and head after them. */
  bits = atomic_load_explicit (fc_table_attached (table) + word,
                               memory_order_seq_cst);
  return left < 64 ? bits & ((UINT64_C (1) << left) - 1) : bits;
}

FC_HOT uint32_t
fc_table_next (const fc_table_t *table, uint32_t i)
{
  while (i < table->entries)
    {
      uint64_t bits = attached_word (table, i / 64) >> (i % 64);

      if (bits != 0)
        return i + (uint32_t) __builtin_ctzll (bits);
      i = (i / 64 + 1) * 64;
    }
  return table->entries;
}

bool
fc_table_is_attached (const fc_table_t *table, uint32_t i)
{
  return (attached_word (table, i / 64) >> (i % 64) & 1) != 0;
}

uint32_t
fc_table_count (const fc_table_t *table)
{
  uint32_t n = 0;

  for (uint32_t word = 0; word * 64 < table->entries; word++)
    n += (uint32_t) __builtin_popcountll (attached_word (table, word));
  return n;
}

static void
set_attached (fc_table_t *table, uint32_t i, bool attached)
{
  _Atomic uint64_t *word = fc_table_attached (table) + i / 64;
  uint64_t bit = UINT64_C (1) << (i % 64);

  if (attached)
    /* set_attached:A, pairs with attached_word:A. */
    atomic_fetch_or_explicit (word, bit, memory_order_seq_cst);
  else
    /* set_attached:B, pairs with attached_word:A: the leases are cleared. */
    atomic_fetch_and_explicit (word, ~bit, memory_order_seq_cst);
}

static void
clear_leases (fc_table_t *table, uint32_t i)
{
  fc_entry_t *entry = fc_table_entry (table, i);

  /* clear_leases:A, pairs with load_lease:A. The dead do not read:
   * release is enough, and is what a consumer's own release is. */
  for (uint32_t k = 0; k < table->leases; k++)
    atomic_store_explicit (&entry->lease[k], 0, memory_order_release);
}

/* The caller has the entry's lock. */
static void
free_entry (fc_table_t *table, uint32_t i)
{
  fc_entry_t *entry = fc_table_entry (table, i);

  clear_leases (table, i);
  atomic_store_explicit (&entry->waiting, 0, memory_order_relaxed);
  atomic_store_explicit (&entry->request, 0, memory_order_relaxed);
  set_attached (table, i, false);
}

static int
take_entry (fc_table_t *table, uint32_t i)
{
  fc_entry_t *entry = fc_table_entry (table, i);

  /* Whoever had it is dead, or left: what it held is freed first. */
  free_entry (table, i);
  atomic_store_explicit (&entry->cursor, 0, memory_order_relaxed);
  atomic_store_explicit (&entry->delivered, 0, memory_order_relaxed);
  atomic_store_explicit (&entry->dropped, 0, memory_order_relaxed);
  atomic_store_explicit (&entry->attached_wall_ns, fc_now (CLOCK_REALTIME),
                         memory_order_relaxed);
  set_attached (table, i, true);
  return (int) i;
}

int
fc_table_attach (fc_table_t *table, const char *path)
{
  for (int tries = 0; tries < ATTACH_TRIES; tries++)
    {
      bool in_doubt = false;

      for (uint32_t i = 0; i < table->entries; i++)
        {
          int r = fc_lock_bytes (table->fd, i, 1);

          if (r == 0)
            return take_entry (table, i);
          if (r != -EAGAIN)
            return fc_fail (r, "can not lock %s: %s", path, strerror (-r));
          in_doubt = in_doubt || !fc_table_is_attached (table, i);
        }
      /* A byte whose entry is free is locked for the moment that reaping or
       * attaching takes: look again, a bounded number of times. */
      if (!in_doubt)
        break;
      fc_pause (ATTACH_PAUSE_NS);
    }
  return fc_fail (-EUSERS,
                  "the slot's consumer table is full: all %u entries are in "
                  "use (%s); raise the writer's max-consumers, or stop a "
                  "consumer",
                  table->entries, path);
}

void
fc_table_detach (fc_table_t *table, uint32_t i)
{
  free_entry (table, i);
  fc_unlock_bytes (table->fd, i, 1);
}

unsigned
fc_table_reap (fc_table_t *table)
{
  unsigned reaped = 0;

  for (uint32_t i = fc_table_next (table, 0); i < table->entries;
       i = fc_table_next (table, i + 1))
    {
      if (fc_lock_bytes (table->fd, i, 1) < 0)
        continue;
      /* Under the lock: it may have left, and the next one not come yet. */
      if (fc_table_is_attached (table, i))
        {
          free_entry (table, i);
          reaped++;
        }
      fc_unlock_bytes (table->fd, i, 1);
    }
  return reaped;
}

void
fc_table_wake (fc_entry_t *entry)
{
  /* fc_table_wake:A, pairs with wait_as_consumer:A and the kernel's look at
   * waiting. Wakes in any case: a writer that died may have stored the 0. */
  atomic_store_explicit (&entry->waiting, 0, memory_order_seq_cst);
  fc_futex_wake (&entry->waiting, 1);
}

void
fc_table_wake_all (fc_table_t *table)
{
  for (uint32_t i = fc_table_next (table, 0); i < table->entries;
       i = fc_table_next (table, i + 1))
    fc_table_wake (fc_table_entry (table, i));
}

static bool
is_waiting (fc_entry_t *entry)
{
  /* is_waiting:A, pairs with wait_as_consumer:A: head was stored
   * before this load, waiting before the consumer's look at head: one of the
   * two sees the other. */
  return atomic_load_explicit (&entry->waiting, memory_order_seq_cst) != 0;
}

FC_HOT bool
fc_table_wake_waiting (fc_table_t *table, unsigned limit)
{
  unsigned n = 0;

  if (limit < table->entries)
    for (uint32_t i = fc_table_next (table, 0); i < table->entries;
         i = fc_table_next (table, i + 1))
      if (is_waiting (fc_table_entry (table, i)) && ++n > limit)
        return false;
  if (limit < table->entries && n == 0)
    return true;
  for (uint32_t i = fc_table_next (table, 0); i < table->entries;
       i = fc_table_next (table, i + 1))
    {
      fc_entry_t *entry = fc_table_entry (table, i);

      /* fc_table_wake_waiting:A: whoever gets the 1 wakes, so that a wait is
       * woken once. */
      if (is_waiting (entry)
          && atomic_exchange_explicit (&entry->waiting, 0, memory_order_seq_cst)
                 != 0)
        fc_futex_wake (&entry->waiting, 1);
    }
  return true;
}

static uint32_t
load_lease (const fc_entry_t *entry, uint32_t k)
{
  /* load_lease:A, pairs with fc_claim:A (one of map store and lease store is
   * seen by the other side) and with fc_end_lease:A (what the consumer read
   * is done). */
  return atomic_load_explicit (&entry->lease[k], memory_order_seq_cst);
}

FC_HOT void
fc_table_mark_leased (const fc_table_t *table, uint64_t *marks, uint32_t cells)
{
  for (uint32_t i = fc_table_next (table, 0); i < table->entries;
       i = fc_table_next (table, i + 1))
    {
      const fc_entry_t *entry = fc_table_entry (table, i);

      for (uint32_t k = 0; k < table->leases; k++)
        {
          uint32_t lease = load_lease (entry, k);

          if (lease > 0 && lease <= cells)
            marks[(lease - 1) / 64] |= UINT64_C (1) << ((lease - 1) % 64);
        }
    }
}

uint32_t
fc_table_end_of_leased (const fc_table_t *table, uint32_t cells)
{
  uint32_t end = 0;

  for (uint32_t i = fc_table_next (table, 0); i < table->entries;
       i = fc_table_next (table, i + 1))
    {
      const fc_entry_t *entry = fc_table_entry (table, i);

      for (uint32_t k = 0; k < table->leases; k++)
        {
          uint32_t lease = load_lease (entry, k);

          if (lease > end && lease <= cells)
            end = lease;
        }
    }
  return end;
}

unsigned
fc_table_take_requests (fc_table_t *table)
{
  unsigned requests = 0;

  for (uint32_t i = fc_table_next (table, 0); i < table->entries;
       i = fc_table_next (table, i + 1))
    {
      fc_entry_t *entry = fc_table_entry (table, i);

      if (atomic_load_explicit (&entry->request, memory_order_relaxed) != 0
          && atomic_exchange_explicit (&entry->request, 0, memory_order_relaxed)
                 != 0)
        requests++;
    }
  return requests;
}
