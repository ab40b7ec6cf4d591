/* A slot's ring with anything in it, for all who open it: who looks, who reads,
 * who collects, and the next writer.
 *
 * The input is a byte that says how to read, and changes (slot.h) of the ring
 * that a writer has finished with.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "slot.h"

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
  uint8_t how = fuzz_byte (&in);

  slot_restore ();
  do
    {
      slot_change_t change = slot_next_change (&in);

      slot_apply (&slot_ring, &change);
    }
  while (in.size > 0);
  slot_look ();
  slot_read (how & 0xfe);
  slot_read (how | 1);
  slot_write_again ();
  return 0;
}
