// Sums over pairs of neighbours, as XLA calls them on processors.
//
// What a pair adds to a row are products of few factors: radial functions (l, n) times
// harmonics (l, m). XLA writes the products down and adds them up number by number. Here
// they stay in registers: n lies along the lanes of vectors, and pairs that follow one
// another with the same row are added up before the row is touched. Pairs may come in any
// order; sorted by row they are fastest. Rows out of range count as absent.
//
// Loads reach beyond the numbers that are meant, up to the width of a vector; the lanes
// that are too many are never stored for good. At the ends of arrays a copy is read.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

using Index = std::int64_t;

constexpr int kWidest = 16;  // lanes
constexpr int kSums = 9;     // vectors that are added up side by side
constexpr Index kBlock = 128;  // pairs whose harmonics fit into the first cache

template <class T, int W>
struct Lanes {
  typedef T Vector __attribute__((vector_size(W * sizeof(T))));

  static Vector Load(const T* from) {
    Vector found;
    std::memcpy(&found, from, sizeof found);
    return found;
  }

  static void Store(T* to, Vector vector) { std::memcpy(to, &vector, sizeof vector); }
};

// Calls a function with so many lanes, a constant, that few are left over.
template <class Function>
void WithLanes(Index count, Function&& function) {
  if (count <= 4) {
    function(std::integral_constant<int, 4>{});
  } else if (count <= 8) {
    function(std::integral_constant<int, 8>{});
  } else {
    function(std::integral_constant<int, kWidest>{});
  }
}

// One angular momentum: how many m and n it has, and where they begin.
struct Channel {
  Index l, m, n, begin_m, begin_n, begin;
};

struct Channels {
  std::vector<Channel> all;
  std::vector<Index> gaps;  // harmonics of angular momenta that are left out
  Index radial = 0, angular = 0, size = 0, products = 0;

  explicit Channels(ffi::Span<const Index> pairs) {
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
      const Index l = pairs[i], n = pairs[i + 1], m = 2 * l + 1;
      for (Index gap = angular; gap < l * l; ++gap) gaps.push_back(gap);
      all.push_back({l, m, n, l * l, radial, size});
      radial += n;
      angular = (l + 1) * (l + 1);
      size += m * n;
      products += n * n;
    }
  }
};

// The rows of a matrix, which may be read a vector too far.
template <class T>
class Rows {
 public:
  Rows(const T* data, Index count, Index width)
      : data_(data), width_(width), copied_(std::max<Index>(0, count - kWidest)) {
    const Index left = (count - copied_) * width;
    copy_.assign(left + kWidest, T(0));
    std::copy_n(data + copied_ * width, left, copy_.begin());
  }

  const T* operator[](Index row) const {
    const bool is_last = row >= copied_;
    return is_last ? copy_.data() + (row - copied_) * width_ : data_ + row * width_;
  }

 private:
  const T* data_;
  Index width_, copied_;
  std::vector<T> copy_;
};

// A block of `count` columns of a matrix (rows, stride) as rows of `width` numbers, and back.
template <class T>
void FromColumns(const T* columns, Index stride, Index rows, Index count, Index width,
                 T* to) {
  for (Index row = 0; row < rows; ++row) {
    for (Index i = 0; i < count; ++i) to[i * width + row] = columns[row * stride + i];
  }
}

template <class T>
void ToColumns(const T* from, Index stride, Index rows, Index count, Index width,
               T* columns) {
  for (Index row = 0; row < rows; ++row) {
    for (Index i = 0; i < count; ++i) columns[row * stride + i] = from[i * width + row];
  }
}

// The end of the pairs from `begin` on that have one row.
Index EndOfRun(const std::int32_t* rows, Index begin, Index count) {
  Index end = begin + 1;
  while (end < count && rows[end] == rows[begin]) ++end;
  return end;
}

// Densities ------------------------------------------------------------------------------

// Adds the sums of radial times angular for M of the harmonics of one channel.
template <class T, int W, int M>
void AddProducts(const Rows<T>& radial, Index begin, Index end, Index begin_n,
                 const T* angular, Index width, Index lanes, Index stride, T* onto) {
  using L = Lanes<T, W>;
  typename L::Vector sums[M] = {};
  for (Index pair = begin; pair < end; ++pair, angular += width) {
    const auto r = L::Load(radial[pair] + begin_n);
    for (int m = 0; m < M; ++m) sums[m] += r * angular[m];
  }
  for (int m = 0; m < M; ++m) {
    T found[W];
    L::Store(found, sums[m]);
    for (Index n = 0; n < lanes; ++n) onto[m * stride + n] += found[n];
  }
}

template <class T, int W, int M = kSums, class... Arguments>
void AddSome(Index count, Arguments&&... arguments) {
  if (count == M) {
    AddProducts<T, W, M>(arguments...);
  } else if constexpr (M > 1) {
    AddSome<T, W, M - 1>(count, arguments...);
  }
}

template <class T>
void AddDensity(const Channels& channels, const Rows<T>& radial, const T* angular,
                Index begin, Index end, T* onto) {
  for (const Channel& c : channels.all) {
    WithLanes(c.n, [&](auto width) {
      constexpr int W = decltype(width)::value;
      for (Index n = 0; n < c.n; n += W) {
        const Index lanes = std::min<Index>(W, c.n - n);
        for (Index m = 0; m < c.m; m += kSums) {
          AddSome<T, W>(std::min<Index>(kSums, c.m - m), radial, begin, end, c.begin_n + n,
                        angular + c.begin_m + m, channels.angular, lanes, c.n,
                        onto + c.begin + m * c.n + n);
        }
      }
    });
  }
}

template <ffi::DataType D>
ffi::Error Density(ffi::BufferR2<D> onto, ffi::BufferR2<D> radial,
                   ffi::BufferR2<D> angular, ffi::BufferR1<ffi::S32> rows,
                   ffi::Span<const Index> layout, ffi::ResultBufferR2<D> sums) {
  using T = ffi::NativeType<D>;
  const Channels channels(layout);
  const Index pairs = rows.element_count(), n_rows = onto.dimensions()[0];
  T* to = sums->typed_data();
  if (to != onto.typed_data()) std::copy_n(onto.typed_data(), onto.element_count(), to);
  const Rows<T> r(radial.typed_data(), pairs, channels.radial);
  const std::int32_t* row = rows.typed_data();
  std::vector<T> y(kBlock * channels.angular);
  for (Index block = 0; block < pairs; block += kBlock) {
    const Index last = std::min(block + kBlock, pairs);
    FromColumns(angular.typed_data() + block, pairs, channels.angular, last - block,
                channels.angular, y.data());
    for (Index begin = block, end; begin < last; begin = end) {
      end = EndOfRun(row, begin, last);
      if (row[begin] < 0 || row[begin] >= n_rows) continue;
      AddDensity(channels, r, y.data() + (begin - block) * channels.angular, begin, end,
                 to + row[begin] * channels.size);
    }
  }
  return ffi::Error::Success();
}

// Their derivatives ----------------------------------------------------------------------

// to[i] = sum_k factors[k] * matrix[k * stride + i], a vector too far.
template <class T, int W>
void Contract(const T* matrix, const T* factors, Index count, Index stride, T* to) {
  using L = Lanes<T, W>;
  typename L::Vector sum = {};
  for (Index k = 0; k < count; ++k) sum += factors[k] * L::Load(matrix + k * stride);
  L::Store(to, sum);
}

template <class T>
void ContractAll(const T* matrix, const T* factors, Index count, Index size, Index stride,
                 T* to) {
  WithLanes(size, [&](auto width) {
    constexpr int W = decltype(width)::value;
    for (Index i = 0; i < size; i += W) {
      Contract<T, W>(matrix + i, factors, count, stride, to + i);
    }
  });
}

// The blocks (m, n) of one row as (n, m), n rows of whole vectors.
template <class T>
void Transpose(const Channels& channels, const T* row, std::vector<T>& into) {
  T* to = into.data();
  for (const Channel& c : channels.all) {
    for (Index n = 0; n < c.n; ++n, to += c.m) {
      for (Index m = 0; m < c.m; ++m) to[m] = row[c.begin + m * c.n + n];
    }
  }
}

// The cotangents of the factors of one pair: of its radial functions and harmonics.
template <class T>
void PullPair(const Channels& channels, const T* sums, const T* turned, const T* radial,
              const T* angular, T* of_radial, T* of_angular) {
  for (const Channel& c : channels.all) {
    ContractAll(sums + c.begin, angular + c.begin_m, c.m, c.n, c.n, of_radial + c.begin_n);
    ContractAll(turned + c.begin, radial + c.begin_n, c.n, c.m, c.m, of_angular + c.begin_m);
  }
}

template <ffi::DataType D>
ffi::Error Pullback(ffi::BufferR2<D> radial, ffi::BufferR2<D> angular,
                    ffi::BufferR1<ffi::S32> rows, ffi::BufferR2<D> of_sums,
                    ffi::Span<const Index> layout, ffi::ResultBufferR2<D> of_radial,
                    ffi::ResultBufferR2<D> of_angular) {
  using T = ffi::NativeType<D>;
  const Channels channels(layout);
  const Index pairs = rows.element_count(), n_rows = of_sums.dimensions()[0];
  const Index width = channels.angular, wide = width + kWidest;
  const Rows<T> sums(of_sums.typed_data(), n_rows, channels.size);
  const std::int32_t* row = rows.typed_data();
  std::vector<T> turned(channels.size + kWidest), r(channels.radial + kWidest);
  std::vector<T> y(kBlock * width), of_y(kBlock * wide);
  for (Index block = 0; block < pairs; block += kBlock) {
    const Index last = std::min(block + kBlock, pairs), count = last - block;
    FromColumns(angular.typed_data() + block, pairs, width, count, width, y.data());
    std::fill(of_y.begin(), of_y.end(), T(0));
    for (Index begin = block, end; begin < last; begin = end) {
      end = EndOfRun(row, begin, last);
      const bool is_there = row[begin] >= 0 && row[begin] < n_rows;
      if (is_there) Transpose(channels, sums[row[begin]], turned);
      std::fill(r.begin(), r.end(), T(0));
      for (Index pair = begin; pair < end; ++pair) {
        T* to = of_y.data() + (pair - block) * wide;
        if (is_there) {
          PullPair(channels, sums[row[begin]], turned.data(),
                   radial.typed_data() + pair * channels.radial,
                   y.data() + (pair - block) * width, r.data(), to);
        }
        for (Index gap : channels.gaps) to[gap] = T(0);
        std::copy_n(r.data(), channels.radial,
                    of_radial->typed_data() + pair * channels.radial);
      }
    }
    ToColumns(of_y.data(), pairs, width, count, wide, of_angular->typed_data() + block);
  }
  return ffi::Error::Success();
}

// Invariants -----------------------------------------------------------------------------

// to[n, n'] = factor * sum_m left[m, n] right[m, n'] for each channel, in ascending order.
template <class T>
void MultiplyRow(const Channels& channels, double scale, const T* left, const T* right,
                 T* to) {
  for (const Channel& c : channels.all) {
    const T factor = T((c.l % 2 ? -scale : scale) / std::sqrt(2.0 * c.l + 1));
    WithLanes(c.n, [&](auto width) {
      constexpr int W = decltype(width)::value;
      using L = Lanes<T, W>;
      for (Index one = 0; one < c.n; ++one) {
        for (Index two = 0; two < c.n; two += W) {
          typename L::Vector sum = {};
          for (Index m = 0; m < c.m; ++m) {
            const Index row = c.begin + m * c.n;
            sum += left[row + one] * L::Load(right + row + two);
          }
          L::Store(to + one * c.n + two, factor * sum);
        }
      }
    });
    to += c.n * c.n;
  }
}

template <ffi::DataType D>
ffi::Error Products(ffi::BufferR3<D> densities, ffi::Span<const Index> layout,
                    ffi::ResultBufferR3<D> products) {
  using T = ffi::NativeType<D>;
  const Channels channels(layout);
  const Index centers = densities.dimensions()[0], types = densities.dimensions()[1];
  const Rows<T> rows(densities.typed_data(), centers * types, channels.size);
  std::vector<T> found(channels.products + kWidest);
  for (Index center = 0; center < centers; ++center) {
    T* to = products->typed_data() + center * channels.products;
    for (Index one = 0; one < types; ++one) {
      for (Index two = one; two < types; ++two) {
        MultiplyRow(channels, one == two ? 1.0 : std::sqrt(2.0),
                    rows[center * types + one], rows[center * types + two], found.data());
        std::copy_n(found.data(), channels.products, to);
        to += centers * channels.products;
      }
    }
  }
  return ffi::Error::Success();
}

// Explicit gradients ---------------------------------------------------------------------

// What pairs are made of, and the derivatives of that by their vectors: radial functions,
// their slopes along the direction, harmonics (l, m) and their slopes along x, y, z. What
// comes as columns, the numbers of one harmonic side by side, is turned into rows.
template <class T>
struct Factors {
  Rows<T> radial, slopes, directions;
  Index count, width;
  std::vector<T> harmonics;

  template <class R, class S, class V, class Y, class Z>
  Factors(const Channels& channels, const R& radial, const S& slopes, const V& directions,
          const Y& angular, const Z& of_angular)
      : radial(radial.typed_data(), radial.dimensions()[0], channels.radial),
        slopes(slopes.typed_data(), radial.dimensions()[0], channels.radial),
        directions(directions.typed_data(), radial.dimensions()[0], 3),
        count(radial.dimensions()[0]),
        width(channels.angular),
        harmonics(count * 4 * width) {
    for (Index begin = 0; begin < count; begin += kBlock) {
      const Index size = std::min(kBlock, count - begin);
      T* to = harmonics.data() + begin * 4 * width;
      FromColumns(angular.typed_data() + begin, count, width, size, 4 * width, to);
      FromColumns(of_angular.typed_data() + begin, count, 3 * width, size, 4 * width,
                  to + width);
    }
  }

  const T* angular(Index pair) const { return harmonics.data() + pair * 4 * width; }
  const T* of_angular(Index pair, int axis) const {
    return angular(pair) + (1 + axis) * width;
  }
};

// Which pair adds to which rows: the columns of a table of terms.
struct Terms {
  const std::int32_t *pair, *row, *center_row, *sample, *other, *in_first, *in_second;
  Index count;

  explicit Terms(const ffi::BufferR2<ffi::S32>& table) : count(table.dimensions()[1]) {
    const std::int32_t* data = table.typed_data();
    const std::int32_t** columns[] = {&pair,  &row,      &center_row, &sample,
                                      &other, &in_first, &in_second};
    for (auto column : columns) {
      *column = data;
      data += count;
    }
  }
};

// Rows that are written the first time, added to later, and zero if never touched.
template <class T>
class Sums {
 public:
  Sums(T* data, Index rows, Index width)
      : data_(data), width_(width), touched_(rows, false) {}

  void Add(Index row, T factor, const T* numbers, Index begin, Index count) {
    T* to = data_ + row * width_ + begin;
    if (touched_[row]) {
      for (Index i = 0; i < count; ++i) to[i] += factor * numbers[i];
    } else {
      for (Index i = 0; i < count; ++i) to[i] = factor * numbers[i];
    }
  }

  bool Has(Index row) const { return row >= 0 && row < Index(touched_.size()); }
  void Touch(Index row) { touched_[row] = true; }

  void Finish() {
    for (std::size_t row = 0; row < touched_.size(); ++row) {
      if (!touched_[row]) std::fill_n(data_ + row * width_, width_, T(0));
    }
  }

 private:
  T* data_;
  Index width_;
  std::vector<char> touched_;
};

// Adds the slopes (3, numbers) of all terms, as a function works them out, to gradients by
// positions (rows, 3, numbers) and by strain (samples, 3, 3, numbers).
template <class T, class Function>
void AddSlopes(const Terms& terms, const Factors<T>& factors, const T* vectors,
               Index numbers, Sums<T> positions, Sums<T> strain, Function&& function) {
  std::vector<T> found(3 * numbers + kWidest);
  const Index size = 3 * numbers;
  for (Index term = 0; term < terms.count; ++term) {
    const Index pair = terms.pair[term];
    if (pair < 0 || pair >= factors.count) continue;
    if (!function(term, pair, found.data())) continue;
    const Index row = terms.row[term], center = terms.center_row[term];
    if (positions.Has(row)) {
      positions.Add(row, T(1), found.data(), 0, size);
      positions.Touch(row);
    }
    if (positions.Has(center)) {
      positions.Add(center, T(-1), found.data(), 0, size);
      positions.Touch(center);
    }
    const Index sample = terms.sample[term];
    if (!strain.Has(sample)) continue;
    for (Index x = 0; x < 3; ++x) {
      strain.Add(sample, vectors[3 * pair + x], found.data(), x * size, size);
    }
    strain.Touch(sample);
  }
  positions.Finish();
  strain.Finish();
}

// Of coefficients: derivatives of products of a radial function and a harmonic. Rows are
// stored in ascending order, so that lanes that are too many are overwritten.
template <class T>
void DensitySlopes(const Channels& channels, const Factors<T>& factors, Index pair, T* to) {
  const T* y = factors.angular(pair);
  for (int a = 0; a < 3; ++a) {
    const T* of_y = factors.of_angular(pair, a);
    const T along = factors.directions[pair][a];
    for (const Channel& c : channels.all) {
      WithLanes(c.n, [&](auto width) {
        constexpr int W = decltype(width)::value;
        using L = Lanes<T, W>;
        for (Index m = 0; m < c.m; ++m) {
          const T factor = along * y[c.begin_m + m], of_factor = of_y[c.begin_m + m];
          for (Index n = 0; n < c.n; n += W) {
            const auto r = L::Load(factors.radial[pair] + c.begin_n + n);
            const auto of_r = L::Load(factors.slopes[pair] + c.begin_n + n);
            L::Store(to + a * channels.size + c.begin + m * c.n + n,
                     of_r * factor + r * of_factor);
          }
        }
      });
    }
  }
}

template <ffi::DataType D>
ffi::Error DensityRows(ffi::BufferR2<D> radial, ffi::BufferR2<D> slopes,
                       ffi::BufferR2<D> directions, ffi::BufferR2<D> angular,
                       ffi::BufferR3<D> of_angular, ffi::BufferR2<D> vectors,
                       ffi::BufferR2<ffi::S32> table, ffi::Span<const Index> layout,
                       ffi::ResultBufferR3<D> positions, ffi::ResultBufferR4<D> strain) {
  using T = ffi::NativeType<D>;
  const Channels channels(layout);
  const Factors<T> factors(channels, radial, slopes, directions, angular, of_angular);
  AddSlopes(Terms(table), factors, vectors.typed_data(), channels.size,
            Sums<T>(positions->typed_data(), positions->dimensions()[0], 3 * channels.size),
            Sums<T>(strain->typed_data(), strain->dimensions()[0], 9 * channels.size),
            [&](Index, Index pair, T* to) {
              DensitySlopes(channels, factors, pair, to);
              return true;
            });
  return ffi::Error::Success();
}

// The derivative of a product of two densities, where a neighbour adds to one of them or
// to both: `left` is its radial functions, `right` the other density along its direction.
template <class T>
class SpectrumSlopes {
 public:
  SpectrumSlopes(const Channels& channels, const Factors<T>& factors, Rows<T> densities)
      : channels_(channels), factors_(factors), densities_(std::move(densities)) {
    for (auto* each : {&right_, &of_left_[0], &of_left_[1], &of_left_[2], &of_right_[0],
                       &of_right_[1], &of_right_[2]}) {
      each->resize(channels.radial + kWidest);
    }
  }

  void operator()(Index pair, Index other, bool in_first, bool in_second, T* to) {
    const T weight = in_first && in_second ? T(1) : T(std::sqrt(2.0));
    Prepare(pair, densities_[other], weight);
    if (in_first && in_second) {
      Write<true, true>(factors_.radial[pair], to);
    } else if (in_first) {
      Write<true, false>(factors_.radial[pair], to);
    } else {
      Write<false, true>(factors_.radial[pair], to);
    }
  }

 private:
  void Prepare(Index pair, const T* density, T weight) {
    for (int a = 0; a < 3; ++a) {
      const T along = factors_.directions[pair][a];
      const T* slopes = factors_.slopes[pair];
      for (Index n = 0; n < channels_.radial; ++n) of_left_[a][n] = along * slopes[n];
    }
    const T* y = factors_.angular(pair);
    for (const Channel& c : channels_.all) {
      const T factor = weight * T((c.l % 2 ? -1 : 1) / std::sqrt(2.0 * c.l + 1));
      Along(c, density, y + c.begin_m, factor, right_.data());
      for (int a = 0; a < 3; ++a) {
        Along(c, density, factors_.of_angular(pair, a) + c.begin_m, factor,
              of_right_[a].data());
      }
    }
  }

  static void Along(const Channel& c, const T* density, const T* y, T factor, T* to) {
    ContractAll(density + c.begin, y, c.m, c.n, c.n, to + c.begin_n);
    for (Index n = 0; n < c.n; ++n) to[c.begin_n + n] *= factor;
  }

  template <bool kFirst, bool kSecond>
  void Write(const T* left, T* to) const {
    for (int a = 0; a < 3; ++a) {
      for (const Channel& c : channels_.all) {
        WithLanes(c.n, [&](auto width) {
          WriteChannel<kFirst, kSecond, decltype(width)::value>(
              c.n, left + c.begin_n, right_.data() + c.begin_n,
              of_left_[a].data() + c.begin_n, of_right_[a].data() + c.begin_n, to);
        });
        to += c.n * c.n;
      }
    }
  }

  template <bool kFirst, bool kSecond, int W>
  static void WriteChannel(Index size, const T* left, const T* right, const T* of_left,
                           const T* of_right, T* to) {
    using L = Lanes<T, W>;
    for (Index one = 0; one < size; ++one) {
      for (Index two = 0; two < size; two += W) {
        typename L::Vector sum = {};
        if constexpr (kFirst) {
          sum += of_left[one] * L::Load(right + two) + left[one] * L::Load(of_right + two);
        }
        if constexpr (kSecond) {
          sum += right[one] * L::Load(of_left + two) + of_right[one] * L::Load(left + two);
        }
        L::Store(to + one * size + two, sum);
      }
    }
  }

  const Channels& channels_;
  const Factors<T>& factors_;
  Rows<T> densities_;
  std::vector<T> right_, of_left_[3], of_right_[3];
};

template <ffi::DataType D>
ffi::Error SpectrumRows(ffi::BufferR2<D> radial, ffi::BufferR2<D> slopes,
                        ffi::BufferR2<D> directions, ffi::BufferR2<D> angular,
                        ffi::BufferR3<D> of_angular, ffi::BufferR2<D> vectors,
                        ffi::BufferR2<D> densities, ffi::BufferR2<ffi::S32> table,
                        ffi::Span<const Index> layout, ffi::ResultBufferR3<D> positions,
                        ffi::ResultBufferR4<D> strain) {
  using T = ffi::NativeType<D>;
  const Channels channels(layout);
  const Factors<T> factors(channels, radial, slopes, directions, angular, of_angular);
  const Index rows = densities.dimensions()[0], numbers = channels.products;
  SpectrumSlopes<T> write(channels, factors,
                          Rows<T>(densities.typed_data(), rows, channels.size));
  const Terms terms(table);
  AddSlopes(terms, factors, vectors.typed_data(), numbers,
            Sums<T>(positions->typed_data(), positions->dimensions()[0], 3 * numbers),
            Sums<T>(strain->typed_data(), strain->dimensions()[0], 9 * numbers),
            [&](Index term, Index pair, T* to) {
              const Index other = terms.other[term];
              if (other < 0 || other >= rows) return false;
              if (!terms.in_first[term] && !terms.in_second[term]) return false;
              write(pair, other, terms.in_first[term], terms.in_second[term], to);
              return true;
            });
  return ffi::Error::Success();
}

}  // namespace

// The names that the library is searched for, for both precisions.
#define JAXMETA_HANDLERS(Precision, Kind)                                       \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(density_##Precision, Density<Kind>,             \
                                ffi::Ffi::Bind()                                \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR1<ffi::S32>>()             \
                                    .Attr<ffi::Span<const Index>>("layout")     \
                                    .Ret<ffi::BufferR2<Kind>>());               \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(pullback_##Precision, Pullback<Kind>,           \
                                ffi::Ffi::Bind()                                \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR1<ffi::S32>>()             \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Attr<ffi::Span<const Index>>("layout")     \
                                    .Ret<ffi::BufferR2<Kind>>()                 \
                                    .Ret<ffi::BufferR2<Kind>>());               \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(products_##Precision, Products<Kind>,           \
                                ffi::Ffi::Bind()                                \
                                    .Arg<ffi::BufferR3<Kind>>()                 \
                                    .Attr<ffi::Span<const Index>>("layout")     \
                                    .Ret<ffi::BufferR3<Kind>>());               \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(density_rows_##Precision, DensityRows<Kind>,    \
                                ffi::Ffi::Bind()                                \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR3<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<ffi::S32>>()             \
                                    .Attr<ffi::Span<const Index>>("layout")     \
                                    .Ret<ffi::BufferR3<Kind>>()                 \
                                    .Ret<ffi::BufferR4<Kind>>());               \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(spectrum_rows_##Precision, SpectrumRows<Kind>,  \
                                ffi::Ffi::Bind()                                \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR3<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<Kind>>()                 \
                                    .Arg<ffi::BufferR2<ffi::S32>>()             \
                                    .Attr<ffi::Span<const Index>>("layout")     \
                                    .Ret<ffi::BufferR3<Kind>>()                 \
                                    .Ret<ffi::BufferR4<Kind>>())

JAXMETA_HANDLERS(f32, ffi::F32);
JAXMETA_HANDLERS(f64, ffi::F64);
