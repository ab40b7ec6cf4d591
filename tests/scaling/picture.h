/* Pictures that say which frame they are, and when it was captured, and still
 * do so after a lossy codec: both are painted as large black and white blocks,
 * in three bands, between which a texture moves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_SCALING_PICTURE_H
#define FC_SCALING_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct
{
  uint32_t number;
  uint64_t captured_us; /* monotonic; 48 bits of it */
} stamp_t;

/* Of an I420 picture without padding. */
static inline size_t
picture_size (unsigned width, unsigned height)
{
  return (size_t) width * height * 3 / 2;
}

/* Sizes are multiples of 64 and 4. */
void picture_paint (uint8_t *picture, unsigned width, unsigned height,
                    const stamp_t *stamp);

/* Whether all three bands say the same, and it is what was painted. */
bool picture_read (const uint8_t *picture, unsigned width, unsigned height,
                   stamp_t *stamp);

#endif /* FC_SCALING_PICTURE_H */
