// All pairs of atoms within a cutoff, of systems one after another, in order.
//
// Atoms are sorted into bins as wide as the cutoff, of which only those with atoms are
// kept: empty room costs nothing. Pairs are looked for among atoms moved into the cell, a
// little farther than the cutoff; what is found is measured once more between the atoms
// where they are, so that both directions of a pair give one result.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <numeric>
#include <unordered_map>
#include <vector>

namespace {

using Index = std::int64_t;
using Vector = std::array<double, 3>;
using Steps = std::array<Index, 3>;

constexpr double kMostBins = 1 << 20;  // along an axis: three fit into one integer

struct Neighbor {
  std::int32_t second, rank;
  std::array<std::int32_t, 3> shift;

  bool operator<(const Neighbor& other) const {
    return rank != other.rank ? rank < other.rank : shift < other.shift;
  }
};

// The pairs of all systems: those of an atom stand together, atoms in no order.
struct Found {
  std::vector<Neighbor> pairs;
  std::vector<Index> begins, counts;
};

struct System {
  Index begin, size;
  const double* positions;  // of all systems
  const double* box;        // three vectors, of which those that do not repeat are normals
  const double* inverse;
  const std::uint8_t* repeats;
  const std::int32_t* ranks;

  double Place(Index atom, int axis) const {
    const double* x = positions + 3 * atom;
    return x[0] * inverse[axis] + x[1] * inverse[3 + axis] + x[2] * inverse[6 + axis];
  }
};

// Whether half lists have this pair; of the two pairs of an atom and an image of itself
// they have one.
bool InHalf(Index first, Index second, const Steps& shift) {
  if (first != second) return first < second;
  const Index sum = shift[0] + shift[1] + shift[2];
  if (sum != 0) return sum > 0;
  return shift[2] != 0 ? shift[2] > 0 : shift[1] > 0;
}

class Bins {
 public:
  Bins(const System& system, double cutoff) : system_(system) {
    cells_.resize(system.size);
    moved_.resize(system.size);
    std::vector<Vector> places(system.size);
    double largest = 0;
    for (Index atom = 0; atom < system.size; ++atom) {
      largest = std::max(largest, Move(atom, places[atom]));
    }
    for (int axis = 0; axis < 3; ++axis) {
      if (system.repeats[axis]) largest += Length(axis) * (cutoff / Height(axis) + 2);
    }
    constexpr double kRounding = 32 * std::numeric_limits<double>::epsilon();
    reach_length_ = cutoff + kRounding * (largest + cutoff);
    Sort(places);
  }

  // Atoms within reach of any atom of the bin, moved beside it.
  void Gather(Index bin) {
    x_.clear(), y_.clear(), z_.clear(), atoms_.clear(), steps_.clear();
    const Steps at = where_[bin];
    for (Index a = -reach_[0]; a <= reach_[0]; ++a) {
      for (Index b = -reach_[1]; b <= reach_[1]; ++b) {
        for (Index c = -reach_[2]; c <= reach_[2]; ++c) {
          GatherFrom({at[0] + a, at[1] + b, at[2] + c});
        }
      }
    }
  }

  // Adds the neighbours of an atom to those found, in order.
  void Search(Index atom, double cutoff, bool full, Found& found) const {
    const Vector& here = moved_[atom];
    const double limit = reach_length_ * reach_length_;
    const std::size_t begin = found.pairs.size(), count = x_.size();
    for (std::size_t i = 0; i < count; ++i) {
      const double x = x_[i] - here[0], y = y_[i] - here[1], z = z_[i] - here[2];
      if (x * x + y * y + z * z < limit) Measure(atom, i, cutoff, full, found.pairs);
    }
    std::sort(found.pairs.begin() + begin, found.pairs.end());
    found.begins[system_.begin + atom] = begin;
    found.counts[system_.begin + atom] = found.pairs.size() - begin;
  }

  Index size() const { return begins_.size() - 1; }
  const Index* begin(Index bin) const { return order_.data() + begins_[bin]; }
  const Index* end(Index bin) const { return order_.data() + begins_[bin + 1]; }

 private:
  // The distance between the faces of the cell.
  double Height(int axis) const {
    const double* column = system_.inverse + axis;
    return 1 / std::sqrt(column[0] * column[0] + column[3] * column[3] +
                         column[6] * column[6]);
  }

  double Length(int axis) const {
    const double* row = system_.box + 3 * axis;
    return std::abs(row[0]) + std::abs(row[1]) + std::abs(row[2]);
  }

  // Moves an atom into the cell. Tells its place, in cells where they repeat and else a
  // length; and how large the numbers were that went into that.
  double Move(Index atom, Vector& place) {
    const double* x = system_.positions + 3 * (system_.begin + atom);
    Vector& moved = moved_[atom];
    std::copy(x, x + 3, moved.begin());
    double size = std::abs(x[0]) + std::abs(x[1]) + std::abs(x[2]);
    for (int axis = 0; axis < 3; ++axis) {
      place[axis] = system_.Place(system_.begin + atom, axis);
      const double cell = system_.repeats[axis] ? std::floor(place[axis]) : 0;
      cells_[atom][axis] = static_cast<Index>(cell);
      place[axis] -= cell;
      for (int k = 0; k < 3; ++k) moved[k] -= cell * system_.box[3 * axis + k];
      size += std::abs(cell) * Length(axis);
    }
    return size;
  }

  // How many bins there are along an axis, how many of them a pair may cross, and how
  // places become bins.
  void Divide(int axis, double extent) {
    const bool repeats = system_.repeats[axis];
    const double height = repeats ? Height(axis) : std::max(extent, reach_length_);
    const double most = std::floor(height / reach_length_);
    const double number = std::min(std::max(most, 1.0), kMostBins);
    numbers_[axis] = static_cast<Index>(number);
    reach_[axis] = static_cast<Index>(std::ceil(reach_length_ * number / height));
    scale_[axis] = repeats ? number : number / height;
  }

  void Sort(const std::vector<Vector>& places) {
    Vector low = {0, 0, 0};
    for (int axis = 0; axis < 3; ++axis) {
      const auto before = [axis](const Vector& left, const Vector& right) {
        return left[axis] < right[axis];
      };
      const auto ends = std::minmax_element(places.begin(), places.end(), before);
      if (!system_.repeats[axis]) low[axis] = (*ends.first)[axis];
      Divide(axis, (*ends.second)[axis] - low[axis]);
    }
    std::vector<Index> codes(system_.size);
    std::vector<Steps> bins(system_.size);
    for (Index i = 0; i < system_.size; ++i) {
      for (int axis = 0; axis < 3; ++axis) {
        const double number = (places[i][axis] - low[axis]) * scale_[axis];
        bins[i][axis] = std::min(static_cast<Index>(number), numbers_[axis] - 1);
      }
      codes[i] = Code(bins[i]);
    }
    order_.resize(system_.size);
    std::iota(order_.begin(), order_.end(), Index(0));
    std::sort(order_.begin(), order_.end(), [&](Index left, Index right) {
      return codes[left] != codes[right] ? codes[left] < codes[right] : left < right;
    });
    for (Index i = 0; i < system_.size; ++i) {
      const Index atom = order_[i];
      if (i && codes[atom] == codes[order_[i - 1]]) continue;
      numbers_of_[codes[atom]] = begins_.size();
      begins_.push_back(i);
      where_.push_back(bins[atom]);
    }
    begins_.push_back(system_.size);
  }

  Index Code(const Steps& bin) const {
    return (bin[0] * numbers_[1] + bin[1]) * numbers_[2] + bin[2];
  }

  void GatherFrom(Steps bin) {
    Steps shift = {0, 0, 0};
    Vector move = {0, 0, 0};
    for (int axis = 0; axis < 3; ++axis) {
      if (bin[axis] >= 0 && bin[axis] < numbers_[axis]) continue;
      if (!system_.repeats[axis]) return;
      const Index number = numbers_[axis];
      shift[axis] = bin[axis] >= 0 ? bin[axis] / number : -((number - 1 - bin[axis]) / number);
      bin[axis] -= shift[axis] * number;
      for (int k = 0; k < 3; ++k) {
        move[k] += static_cast<double>(shift[axis]) * system_.box[3 * axis + k];
      }
    }
    const auto found = numbers_of_.find(Code(bin));
    if (found == numbers_of_.end()) return;
    for (const Index* atom = begin(found->second); atom < end(found->second); ++atom) {
      x_.push_back(moved_[*atom][0] + move[0]);
      y_.push_back(moved_[*atom][1] + move[1]);
      z_.push_back(moved_[*atom][2] + move[2]);
      atoms_.push_back(*atom);
      steps_.push_back(shift);
    }
  }

  void Measure(Index atom, std::size_t candidate, double cutoff, bool full,
               std::vector<Neighbor>& pairs) const {
    const Index first = system_.begin + atom, other = atoms_[candidate];
    const Index second = system_.begin + other;
    Steps shift = steps_[candidate];
    for (int axis = 0; axis < 3; ++axis) {
      shift[axis] += cells_[atom][axis] - cells_[other][axis];
    }
    if (first == second && shift == Steps{0, 0, 0}) return;
    if (!full && !InHalf(first, second, shift)) return;
    double square = 0;
    for (int k = 0; k < 3; ++k) {
      double apart = system_.positions[3 * second + k] - system_.positions[3 * first + k];
      for (int axis = 0; axis < 3; ++axis) {
        if (!system_.repeats[axis]) continue;
        apart += static_cast<double>(shift[axis]) * system_.box[3 * axis + k];
      }
      square += apart * apart;
    }
    if (square >= cutoff * cutoff) return;
    Neighbor found = {static_cast<std::int32_t>(second), system_.ranks[second], {}};
    std::copy(shift.begin(), shift.end(), found.shift.begin());
    pairs.push_back(found);
  }

  System system_;
  double reach_length_ = 0;
  Steps numbers_, reach_;
  Vector scale_;
  std::vector<Steps> cells_;    // of each atom
  std::vector<Vector> moved_;   // atoms, moved into the cell
  std::vector<Index> order_;    // atoms, by bin
  std::vector<Index> begins_;   // of each bin with atoms
  std::vector<Steps> where_;    // each of these bins is
  std::unordered_map<Index, Index> numbers_of_;  // by code
  std::vector<double> x_, y_, z_;  // of the atoms gathered, for one bin
  std::vector<Index> atoms_;
  std::vector<Steps> steps_;
};

}  // namespace

extern "C" {

// Finds all pairs; arrays are contiguous. What is returned is to be taken once.
void* neighbors_find(Index systems, const Index* sizes, const double* positions,
                     const double* boxes, const double* inverses,
                     const std::uint8_t* repeats, const std::int32_t* ranks,
                     double cutoff, int full) try {
  auto found = std::make_unique<Found>();
  const Index atoms = std::accumulate(sizes, sizes + systems, Index(0));
  found->begins.resize(atoms);
  found->counts.resize(atoms);
  Index begin = 0;
  for (Index i = 0; i < systems; begin += sizes[i], ++i) {
    if (sizes[i] == 0) continue;
    Bins bins({begin, sizes[i], positions, boxes + 9 * i, inverses + 9 * i,
               repeats + 3 * i, ranks},
              cutoff);
    for (Index bin = 0; bin < bins.size(); ++bin) {
      bins.Gather(bin);
      for (const Index* atom = bins.begin(bin); atom < bins.end(bin); ++atom) {
        bins.Search(*atom, cutoff, full != 0, *found);
      }
    }
  }
  return found.release();
} catch (const std::exception&) {
  return nullptr;
}

Index neighbors_count(const void* found) {
  return static_cast<const Found*>(found)->pairs.size();
}

// Writes pairs by first atom, rank of the second one, and shift, and forgets them.
void neighbors_take(void* given, std::int32_t* first, std::int32_t* second,
                    std::int32_t* shifts) {
  const std::unique_ptr<Found> found(static_cast<Found*>(given));
  for (std::size_t atom = 0; atom < found->begins.size(); ++atom) {
    const Neighbor* pair = found->pairs.data() + found->begins[atom];
    for (Index i = 0; i < found->counts[atom]; ++i, ++pair) {
      *first++ = static_cast<std::int32_t>(atom);
      *second++ = pair->second;
      shifts = std::copy(pair->shift.begin(), pair->shift.end(), shifts);
    }
  }
}

}  // extern "C"
