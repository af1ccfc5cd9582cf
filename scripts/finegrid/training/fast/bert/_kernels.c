// The elementwise parts of BERT's step, for one thread. compiled.py calls them; twins.py says what they compute. States
// are float; `real` is the type of matrix products: float, or bfloat16 as uint16_t.
#ifndef real

#include <math.h>
#include <stdint.h>
#include <string.h>

// The best of these that the processor has is chosen as the library is loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define KERNEL __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define KERNEL
#endif
#define INLINE static inline __attribute__((always_inline))

#define MOST 1024  // places of a text, whose longest may have 512 tokens
#define LANES 16
#define VERSION 4
int version(void) { return VERSION; }

INLINE float from_bfloat16(uint16_t x) {
    union { uint32_t bits; float value; } all = {(uint32_t)x << 16};
    return all.value;
}

INLINE uint16_t to_bfloat16(float x) {  // to the nearest, ties to even; a NaN stays one, as it has high bits set
    union { float value; uint32_t bits; } all = {x};
    return (all.bits + 0x7fff + ((all.bits >> 16) & 1)) >> 16;
}

INLINE float exponential(float x) {  // relative error 2e-7; comparisons are written so that a NaN stays one
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float n = rintf(x * 1.44269504f), r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    union { int32_t bits; float value; } power = {((int32_t)n + 127) << 23};
    return p * power.value;
}

INLINE float reciprocal(float x) {  // of 2^-60 to 2^60, relative error 2e-7; quicker than a division
    union { int32_t bits; float value; } near;
    near.value = x;
    near.bits = 0x7ef311c7 - near.bits;  // exponent and mantissa by a straight line, then Newton's method
    float y = near.value;
    y *= 2.0f - x * y;
    y *= 2.0f - x * y;
    return y * (2.0f - x * y);
}

// AdamW of embeddings [all rows, width]: `means` and `squares` are its moving averages, `rates` and `roots` of each step
// what a mean is multiplied by, and the root of a square before `epsilon` is added. `done` has the last step of each row.

// Do the steps up to `step` for `count` rows, whose gradients were 0: the factors of each step hold for all elements of a
// row. After MISSED steps a mean is a billionth of what it was, and moves nothing.
#define MISSED 192
KERNEL void catch_up(const int64_t *rows, int count, int width, float *values, float *means, float *squares,
                     int32_t *done, int step, const float *rates, const float *roots, float beta1, float beta2,
                     float epsilon) {
    float shrink = sqrtf(beta2), of_mean[MISSED], of_root[MISSED];
    for (int i = 0; i < count; i++) {
        int first = done[rows[i]] + 1, missed = step + 1 - first, steps = missed < MISSED ? missed : MISSED;
        if (missed <= 0) continue;
        done[rows[i]] = step;
        float smaller = 1, lower = 1;
        for (int s = 0; s < steps; s++) {
            of_mean[s] = rates[first + s] * (smaller *= beta1);
            of_root[s] = roots[first + s] * (lower *= shrink);
        }
        float rest1 = powf(beta1, missed), rest2 = powf(beta2, missed);
        for (int j = 0; j < width; j += LANES) {
            size_t o = rows[i] * width + j, size = (width - j < LANES ? width - j : LANES) * sizeof(float);
            float x[LANES] = {0}, m[LANES] = {0}, v[LANES] = {0}, root[LANES];
            memcpy(x, values + o, size);
            memcpy(m, means + o, size);
            memcpy(v, squares + o, size);
            for (int l = 0; l < LANES; l++) root[l] = sqrtf(v[l]);
            for (int s = 0; s < steps; s++)
                for (int l = 0; l < LANES; l++) x[l] -= m[l] * of_mean[s] * reciprocal(root[l] * of_root[s] + epsilon);
            for (int l = 0; l < LANES; l++) m[l] *= rest1, v[l] *= rest2;
            memcpy(values + o, x, size);
            memcpy(means + o, m, size);
            memcpy(squares + o, v, size);
        }
    }
}

// Do `step` for `count` rows, each once, by gradient * scale [all rows, width], which becomes 0.
KERNEL void update_rows(const int64_t *rows, int count, int width, float *values, float *means, float *squares,
                        int32_t *done, int step, const float *rates, const float *roots, float beta1, float beta2,
                        float epsilon, float *gradient, float scale) {
    for (int i = 0; i < count; i++) {
        size_t o = rows[i] * width;
        float *x = values + o, *m = means + o, *v = squares + o, *g = gradient + o;
        done[rows[i]] = step;
        for (int j = 0; j < width; j++) {
            float one = g[j] * scale;
            m[j] += (1 - beta1) * (one - m[j]);
            v[j] = beta2 * v[j] + (1 - beta2) * one * one;
            x[j] -= rates[step] * m[j] / (sqrtf(v[j]) * roots[step] + epsilon);
            g[j] = 0;
        }
    }
}

// mask.py says what this is: whether dropout keeps the element at a place.
INLINE int keeps(uint32_t place, uint32_t low, uint32_t high, uint32_t dropped) {
    uint32_t x = place * 0x9e3779b1u + low;
    x = ((x ^ x >> 16) * 0x7feb352du) ^ high;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return (x ^ x >> 16) >= dropped;
}

KERNEL void fill_mask(float *mask, int size, uint32_t low, uint32_t high, uint32_t dropped, float kept) {
    for (int i = 0; i < size; i++) mask[i] = keeps(i, low, high, dropped) ? kept : 0.0f;
}

#define NAME_(name, suffix) name##_##suffix
#define NAME(name, suffix) NAME_(name, suffix)

#define real uint16_t
#define UP from_bfloat16
#define DOWN to_bfloat16
#define OF(name) NAME(name, bfloat16)
#include "_kernels.c"
#undef real
#undef UP
#undef DOWN
#undef OF
#define real float
#define UP
#define DOWN
#define OF(name) NAME(name, float32)
#include "_kernels.c"

#else

// sum = states + dropout(more); result = its layer normalisation, also `rounded`. All [rows, width]; mean and scale [rows].
// What dropout does not drop is multiplied by `kept`; with `dropped` 0 there is none.
KERNEL void OF(add_and_norm)(const float *states, const real *more, uint32_t low, uint32_t high, uint32_t dropped,
                             float kept, const float *gain, const float *bias, float epsilon, int rows, int width,
                             float *sum, float *mean, float *scale, float *result, real *rounded) {
    for (int i = 0; i < rows; i++) {
        size_t o = (size_t)i * width;
        const float *x = states + o;
        const real *y = more + o;
        float *s = sum + o, *z = result + o, total = 0, squares = 0;
        real *l = rounded + o;
        if (dropped)
            for (int j = 0; j < width; j++) s[j] = x[j] + UP(y[j]) * (keeps(o + j, low, high, dropped) ? kept : 0.0f);
        else
            for (int j = 0; j < width; j++) s[j] = x[j] + UP(y[j]);
        for (int j = 0; j < width; j++) total += s[j];
        float m = total / width;
        for (int j = 0; j < width; j++) squares += (s[j] - m) * (s[j] - m);
        float r = 1.0f / sqrtf(squares / width + epsilon);
        mean[i] = m;
        scale[i] = r;
        for (int j = 0; j < width; j++) {
            float v = (s[j] - m) * r * gain[j] + bias[j];
            z[j] = v;
            l[j] = DOWN(v);
        }
    }
}

// The way back: `gradient` + `extra` (may be null) is that of the result. Writes those of the states and of `more`, and
// adds those of gain and bias, and of the bias that was last added to `more`, each [width], where they are not null.
KERNEL void OF(add_and_norm_backward)(const float *gradient, const real *extra, const float *sum, const float *mean,
                                      const float *scale, const float *gain, uint32_t low, uint32_t high,
                                      uint32_t dropped, float kept, int rows, int width, float *of_states,
                                      real *of_more, float *of_gain, float *of_bias, float *of_last) {
    for (int i = 0; i < rows; i++) {
        size_t o = (size_t)i * width;
        const float *g = gradient + o, *s = sum + o;
        float *x = of_states + o, m = mean[i], r = scale[i], along = 0, total = 0;
        real *y = of_more + o;
        if (extra)
            for (int j = 0; j < width; j++) x[j] = g[j] + UP(extra[o + j]);
        else if (x != g)
            memcpy(x, g, width * sizeof(float));
        if (of_gain)
            for (int j = 0; j < width; j++) of_gain[j] += x[j] * (s[j] - m) * r;
        if (of_bias)
            for (int j = 0; j < width; j++) of_bias[j] += x[j];
        for (int j = 0; j < width; j++) {
            float e = x[j] * gain[j];
            along += e * (s[j] - m);
            total += e;
        }
        along *= r * r / width;
        total /= width;
        for (int j = 0; j < width; j++) x[j] = r * (x[j] * gain[j] - total - (s[j] - m) * along);
        if (dropped)
            for (int j = 0; j < width; j++) y[j] = DOWN(x[j] * (keeps(o + j, low, high, dropped) ? kept : 0.0f));
        else
            for (int j = 0; j < width; j++) y[j] = DOWN(x[j]);
        if (of_last)
            for (int j = 0; j < width; j++) of_last[j] += UP(y[j]);
    }
}

// result = gelu(x), and x becomes gelu'(x). The error function is 7.1.26 of Abramowitz and Stegun (1964), to 1.5e-7.
KERNEL void OF(gelu)(real *x, real *result, size_t size) {
    for (size_t i = 0; i < size; i++) {
        float v = UP(x[i]), e = exponential(-0.5f * v * v), t = reciprocal(1.0f + 0.23164190f * fabsf(v));
        float p = 1.061405429f;
        p = p * t - 1.453152027f;
        p = p * t + 1.421413741f;
        p = p * t - 0.284496736f;
        p = p * t + 0.254829592f;
        float tail = 0.5f * p * t * e, below = v > 0 ? 1.0f - tail : tail;  // the normal distribution's
        result[i] = DOWN(v * below);
        x[i] = DOWN(below + v * 0.39894228f * e);
    }
}

// gradient *= slope, both [rows, width]; adds the sums of its columns to of_bias [width] unless that is null.
KERNEL void OF(gelu_backward)(real *gradient, const real *slope, int rows, int width, float *of_bias) {
    for (int i = 0; i < rows; i++) {
        real *g = gradient + (size_t)i * width;
        const real *s = slope + (size_t)i * width;
        if (of_bias)
            for (int j = 0; j < width; j++) {
                float v = UP(g[j]) * UP(s[j]);
                g[j] = DOWN(v);
                of_bias[j] += v;
            }
        else
            for (int j = 0; j < width; j++) g[j] = DOWN(UP(g[j]) * UP(s[j]));
    }
}

// scores [texts x heads, length, length] become softmax weights over the first lengths[text] keys; the rows of padding
// become 0. `kept` has the weights that dropout keeps, without its scale; with `dropped` 0 it is left alone.
KERNEL void OF(softmax)(real *scores, real *kept, uint32_t low, uint32_t high, uint32_t dropped,
                        const int64_t *lengths, int texts, int heads, int length) {
    for (int matrix = 0; matrix < texts * heads; matrix++) {
        int real_length = lengths[matrix / heads];
        for (int i = 0; i < length; i++) {
            size_t o = ((size_t)matrix * length + i) * length;
            real *x = scores + o, *k = kept + o;
            if (i >= real_length) {
                memset(x, 0, length * sizeof(real));
                if (dropped) memset(k, 0, length * sizeof(real));
                continue;
            }
            float v[MOST + LANES], tops[LANES], top = -INFINITY, total = 0;
            for (int j = 0; j < length; j++) v[j] = UP(x[j]);
            for (int j = real_length; j < length + LANES; j++) v[j] = -INFINITY;
            // Compilers do not vectorise the maximum of one variable, as a NaN's place in the order would matter.
            for (int l = 0; l < LANES; l++) tops[l] = -INFINITY;
            for (int j = 0; j < length; j += LANES)
                for (int l = 0; l < LANES; l++) tops[l] = v[j + l] > tops[l] ? v[j + l] : tops[l];
            for (int l = 0; l < LANES; l++) top = tops[l] > top ? tops[l] : top;
            for (int j = 0; j < length; j++) v[j] = exponential(v[j] - top);
            for (int j = real_length; j < length; j++) v[j] = 0;
            for (int j = 0; j < length; j++) total += v[j];
            total = 1.0f / total;
            for (int j = 0; j < length; j++) x[j] = DOWN(v[j] * total);
            if (dropped)
                for (int j = 0; j < length; j++) k[j] = keeps(o + j, low, high, dropped) ? x[j] : 0;
        }
    }
}

// The way back: `gradient` of the kept weights becomes that of the scores.
KERNEL void OF(softmax_backward)(real *gradient, const real *weights, uint32_t low, uint32_t high, uint32_t dropped,
                                 const int64_t *lengths, int texts, int heads, int length) {
    for (int matrix = 0; matrix < texts * heads; matrix++) {
        int real_length = lengths[matrix / heads];
        for (int i = 0; i < length; i++) {
            size_t o = ((size_t)matrix * length + i) * length;
            real *g = gradient + o;
            const real *w = weights + o;
            if (i >= real_length) {
                memset(g, 0, length * sizeof(real));
                continue;
            }
            float v[MOST], total = 0;
            if (dropped)
                for (int j = 0; j < length; j++) v[j] = keeps(o + j, low, high, dropped) ? UP(g[j]) : 0.0f;
            else
                for (int j = 0; j < length; j++) v[j] = UP(g[j]);
            for (int j = 0; j < length; j++) total += v[j] * UP(w[j]);
            for (int j = 0; j < length; j++) g[j] = DOWN(UP(w[j]) * (v[j] - total));
        }
    }
}

#endif
