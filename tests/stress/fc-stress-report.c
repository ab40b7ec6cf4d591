/* The stress of slots: its figures, and what was wrong.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-stress.h"

#include <stdarg.h>
#include <sys/mman.h>

static const char *const names[FIGURES] = {
  [WRITTEN] = "frames written",
  [CHECKED] = "frames checked",
  [LOST] = "frames lost",
  [LAPS] = "laps",
  [WRITER_LIVES] = "writer lives",
  [WRITERS_KILLED] = "writers killed",
  [CONSUMERS_KILLED] = "consumers killed",
  [CONSUMERS_STOPPED] = "consumers stopped",
  [RENEWALS] = "geometry changed",
  [FILLINGS] = "memory filled",
  [ATTACHED] = "attached",
  [TURNED_AWAY] = "turned away",
  [LOST_WRITERS] = "writer lost told",
  [SHORTENED] = "history shortened",
  [WRITER_DROPPED] = "writer dropped",
  [HOSTILE_LIVES] = "hostile lives",
  [HOSTILE_ACTS] = "hostile acts",
  [BROKEN_LEASES] = "leases broken",
  [CUT_OFF] = "cut off",
  [COUNTS_ANEW] = "counts anew",
  [TORN] = "torn",
  [WRONG] = "wrong",
};

_Atomic uint64_t *totals;

void *
share (size_t size)
{
  void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  if (memory != MAP_FAILED)
    return memory;
  perror ("mmap");
  exit (1);
}

void
wrong (const char *format, ...)
{
  uint64_t before = atomic_fetch_add (&shared->figure[WRONG], 1);
  char text[600];
  va_list args;

  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  if (before < 20)
    fprintf (stderr, "%s [%d] WRONG: %s\n", options.slot, getpid (), text);
}

void
report_slot (void)
{
  for (unsigned i = 0; i < FIGURES; i++)
    totals[i] += shared->figure[i];
}

/* A figure a line: its name, and the number as the last word. */
void
report_print (void)
{
  for (unsigned i = 0; i < FIGURES; i++)
    printf ("%-18s %" PRIu64 "\n", names[i], totals[i]);
}
