/* Painting and reading of pictures: see picture.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "picture.h"

#include <string.h>

enum
{
  COLUMNS = 32,
  ROWS = 3,
  BITS = COLUMNS * ROWS, /* 32 of number, 48 of time, 16 of their sum */
  BANDS = 3,
  BLACK = 16,
  WHITE = 235,
  GREY = 128
};

typedef struct
{
  unsigned side;       /* of a block, pixels */
  unsigned top[BANDS]; /* first lines of the bands */
  unsigned width, height;
} grid_t;

static grid_t
grid_of (unsigned width, unsigned height)
{
  grid_t grid = { width / COLUMNS, { 0 }, width, height };
  unsigned rest = height - ROWS * grid.side;

  for (unsigned band = 0; band < BANDS; band++)
    grid.top[band] = rest * band / (BANDS - 1);
  return grid;
}

/* Fletcher's, over the ten bytes of number and time. */
static uint16_t
sum_of (const uint8_t *bytes, size_t size)
{
  unsigned a = 1, b = 0;

  for (size_t i = 0; i < size; i++)
    {
      a = (a + bytes[i]) % 255;
      b = (b + a) % 255;
    }
  return (uint16_t) (b << 8 | a);
}

static void
encode (const stamp_t *stamp, uint8_t code[BITS / 8])
{
  uint16_t sum;

  for (int i = 0; i < 4; i++)
    code[i] = (uint8_t) (stamp->number >> (24 - 8 * i));
  for (int i = 0; i < 6; i++)
    code[4 + i] = (uint8_t) (stamp->captured_us >> (40 - 8 * i));
  sum = sum_of (code, 10);
  code[10] = (uint8_t) (sum >> 8);
  code[11] = (uint8_t) sum;
}

static bool
decode (const uint8_t code[BITS / 8], stamp_t *stamp)
{
  stamp->number = 0;
  stamp->captured_us = 0;
  for (int i = 0; i < 4; i++)
    stamp->number = stamp->number << 8 | code[i];
  for (int i = 0; i < 6; i++)
    stamp->captured_us = stamp->captured_us << 8 | code[4 + i];
  return sum_of (code, 10) == (code[10] << 8 | code[11]);
}

static void
paint_band (uint8_t *luma, const grid_t *grid, unsigned top,
            const uint8_t code[BITS / 8])
{
  for (unsigned bit = 0; bit < BITS; bit++)
    {
      unsigned x = bit % COLUMNS * grid->side;
      unsigned y = top + bit / COLUMNS * grid->side;
      int value = code[bit / 8] >> (7 - bit % 8) & 1 ? WHITE : BLACK;

      for (unsigned line = 0; line < grid->side; line++)
        memset (luma + (size_t) (y + line) * grid->width + x, value,
                grid->side);
    }
}

/* By the mean of the middle of each block: its edges are the codec's. */
static void
read_band (const uint8_t *luma, const grid_t *grid, unsigned top,
           uint8_t code[BITS / 8])
{
  unsigned edge = grid->side / 4, side = grid->side - 2 * edge;

  memset (code, 0, BITS / 8);
  for (unsigned bit = 0; bit < BITS; bit++)
    {
      unsigned x = bit % COLUMNS * grid->side + edge;
      unsigned y = top + bit / COLUMNS * grid->side + edge;
      unsigned total = 0;

      for (unsigned line = 0; line < side; line++)
        for (unsigned i = 0; i < side; i++)
          total += luma[(size_t) (y + line) * grid->width + x + i];
      if (total > GREY * side * side)
        code[bit / 8] |= (uint8_t) (1 << (7 - bit % 8));
    }
}

/* Of use to a codec and of some cost to it: soft noise that moves. */
static void
paint_texture (uint8_t *luma, const grid_t *grid, unsigned shift)
{
  for (unsigned y = 0; y < grid->height; y++)
    {
      uint8_t *line = luma + (size_t) y * grid->width;
      uint32_t noise = (y / 4 + 1) * 2654435761u;

      for (unsigned x = 0; x < grid->width; x++)
        {
          uint32_t cell = noise ^ ((x + shift) / 4 * 2246822519u);

          line[x] = (uint8_t) (96 + (cell * 3266489917u >> 26));
        }
    }
}

void
picture_paint (uint8_t *picture, unsigned width, unsigned height,
               const stamp_t *stamp)
{
  grid_t grid = grid_of (width, height);
  size_t luma = (size_t) width * height;
  uint8_t code[BITS / 8];

  encode (stamp, code);
  paint_texture (picture, &grid, stamp->number * 4);
  for (unsigned band = 0; band < BANDS; band++)
    paint_band (picture, &grid, grid.top[band], code);
  memset (picture + luma, GREY, luma / 2);
}

bool
picture_read (const uint8_t *picture, unsigned width, unsigned height,
              stamp_t *stamp)
{
  grid_t grid = grid_of (width, height);
  uint8_t code[BANDS][BITS / 8];

  for (unsigned band = 0; band < BANDS; band++)
    {
      read_band (picture, &grid, grid.top[band], code[band]);
      if (memcmp (code[band], code[0], sizeof code[0]) != 0)
        return false;
    }
  return decode (code[0], stamp);
}
