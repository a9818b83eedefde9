// cross_entropy and cross_entropy_with_grad.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "bind/arguments.hpp"
#include "bind/execute.hpp"
#include "bind/functions.hpp"
#include "bind/problem.hpp"
#include "bind/result.hpp"
#include "bind/targets.hpp"
#include "core/fp_environment.hpp"
#include "core/row_data.hpp"

namespace softlane::bind {

namespace {

constexpr unsigned loss_keywords = 1u << axis | 1u << weight | 1u << ignore_index |
                                   1u << label_smoothing | 1u << temperature | 1u << z_loss |
                                   1u << reduction;

enum class Reduction { none, mean, sum };

Reduction parse_reduction(const char *function, PyObject *given) {
    if (given == nullptr)
        return Reduction::mean;
    if (PyUnicode_Check(given)) {
        if (PyUnicode_CompareWithASCIIString(given, "none") == 0)
            return Reduction::none;
        if (PyUnicode_CompareWithASCIIString(given, "mean") == 0)
            return Reduction::mean;
        if (PyUnicode_CompareWithASCIIString(given, "sum") == 0)
            return Reduction::sum;
    }
    raise(PyExc_ValueError, function,
          "reduction is " + py::repr(given).cast<std::string>() +
              " (accepted: 'none', 'mean', 'sum')");
}

// The axis as an index; the loss has one.
int parse_one_axis(const char *function, PyObject *given, PyArrayObject *logits) {
    if (given && !PyIndex_Check(given))
        raise(PyExc_TypeError, function,
              std::string("axis has type ") + Py_TYPE(given)->tp_name + ", expected int");
    if (PyArray_NDIM(logits) == 0)
        raise(PyExc_ValueError, function,
              "logits are a scalar, expected at least one dimension, that of the classes");
    const std::vector<bool> is_axis = parse_axis(function, given, PyArray_NDIM(logits));
    return static_cast<int>(std::find(is_axis.begin(), is_axis.end(), true) - is_axis.begin());
}

struct Result {
    py::object loss, gradient; // null: not asked for
};

Result array_call(const char *function, const Arguments &arguments, bool with_grad) {
    const CallerEnvironment caller;
    const py::object logits_object =
        floating(function, private_view(array(as_array(function, "logits", arguments.array[0]))));
    PyArrayObject *logits = array(logits_object);
    const int axis_index = parse_one_axis(function, arguments.keyword[axis], logits);
    std::vector<bool> is_axis(static_cast<std::size_t>(PyArray_NDIM(logits)), false);
    is_axis[static_cast<std::size_t>(axis_index)] = true;
    const npy_intp classes = PyArray_DIM(logits, axis_index);
    const std::vector<npy_intp> shape = row_shape(logits, is_axis, false);
    const std::size_t rows = element_count(shape);
    if (classes == 0 && rows > 0)
        raise(PyExc_ValueError, function,
              "logits have shape " + shape_text(logits) + ": no classes along axis " +
                  std::to_string(axis_index));

    const Reduction how = parse_reduction(function, arguments.keyword[reduction]);
    LossOptions loss{};
    if (arguments.keyword[label_smoothing])
        loss.smoothing =
            parse_real(function, "label_smoothing", arguments.keyword[label_smoothing]);
    if (!(loss.smoothing >= 0 && loss.smoothing <= 1))
        raise(PyExc_ValueError, function,
              "label_smoothing is " + py::repr(py::float_(loss.smoothing)).cast<std::string>() +
                  ", expected 0 to 1");
    if (arguments.keyword[z_loss])
        loss.z_loss = parse_real(function, "z_loss", arguments.keyword[z_loss]);
    if (!(loss.z_loss >= 0 && std::isfinite(loss.z_loss)))
        raise(PyExc_ValueError, function,
              "z_loss is " + py::repr(py::float_(loss.z_loss)).cast<std::string>() +
                  ", expected finite and >= 0");
    const Temperature t =
        parse_temperature(function, arguments.keyword[temperature], logits, is_axis);
    std::vector<double> weights = parse_weight(function, arguments.keyword[weight], classes);
    const Targets targets = parse_targets(function, arguments.array[1], logits, shape, classes,
                                          arguments.keyword[ignore_index]);
    PyArrayObject *probabilities = array(targets.probabilities);
    std::unique_ptr<Output> output;
    if (with_grad)
        output = std::make_unique<Output>(
            function, arguments.keyword[out], py::object(), native_descr(PyArray_DESCR(logits)),
            logits, std::initializer_list<Input>{{logits, true}, {probabilities, false}});

    const FpEnvironment environment;
    LongSum kept_weight{};
    if (how == Reduction::mean && !weights.empty() && !probabilities) {
        // A factor that cancels in the mean, so that nothing over- or underflows.
        std::vector<char> counts(weights.size() + 1, loss.smoothing > 0); // 0: ignored rows
        for (std::size_t i = 0; i < rows; ++i)
            counts[static_cast<std::size_t>(targets.labels[i] + 1)] = 1;
        double largest = 0; // of the classes that the loss is over
        for (std::size_t c = 0; c < weights.size(); ++c)
            if (counts[c + 1] && std::isfinite(weights[c]))
                largest = std::max(largest, std::fabs(weights[c]));
        if (largest > 0)
            for (double &w : weights)
                w = std::ldexp(w, -std::ilogb(largest));
        kept_weight = sum_of_weights(targets.labels, rows, weights.data());
    }
    loss.divisor = loss.z_divisor = 1;
    if (how == Reduction::mean) {
        loss.z_divisor = static_cast<double>(targets.kept);
        const bool weighted = !weights.empty() && !probabilities;
        loss.divisor = weighted ? kept_weight.value : loss.z_divisor;
        loss.divisor_low = weighted ? kept_weight.rest : 0;
    }
    const bool spread = probabilities || loss.smoothing > 0;
    const bool plain = !spread && weights.empty() && loss.z_loss == 0;
    if (spread && weights.empty())
        weights.assign(static_cast<std::size_t>(classes), 1.0);
    loss.weight = weights.empty() ? nullptr : weights.data();

    std::vector<double> losses(rows), z_losses(loss.z_loss > 0 ? rows : 0);
    Operands operands{logits};
    operands.other = probabilities;
    operands.y = output.get();
    operands.temperature = &t;
    Problem problem =
        describe(with_grad ? Op::cross_entropy_with_grad : Op::cross_entropy, operands, is_axis);
    problem.labels = targets.labels;
    problem.results = losses.data();
    problem.extra = z_losses.empty() ? nullptr : z_losses.data();
    problem.loss = &loss;
    problem.keep_subnormals = problem.keep_subnormals || !plain;
    const KernelTable &table = execute(make_plan(problem));

    const bool wide = *dtype_of(PyArray_DESCR(logits)) == DType::f64;
    const py::object descr = descr_of(wide ? DType::f64 : DType::f32);
    Result result;
    if (how == Reduction::none) {
        for (std::size_t i = 0; i < z_losses.size(); ++i)
            losses[i] += z_losses[i];
        result.loss =
            from_doubles(losses.data(), static_cast<int>(shape.size()), shape.data(), descr, table);
    } else {
        double total = sum_of(losses.data(), rows).value / loss.divisor;
        if (!z_losses.empty())
            total += sum_of(z_losses.data(), rows).value / loss.z_divisor;
        if (total != total) // without a sign
            total = std::numeric_limits<double>::quiet_NaN();
        result.loss = from_doubles(&total, 0, nullptr, descr, table);
    }
    result.loss =
        owned(PyArray_Return(reinterpret_cast<PyArrayObject *>(result.loss.release().ptr())));
    if (with_grad) {
        py::object gradient = output->take();
        result.gradient =
            output->given() ? gradient : returned(arguments.array[0], std::move(gradient));
    }
    return result;
}

// Classes that are masked take no part, and have the gradient 0, masked.
Result masked_call(const char *function, const Arguments &given, bool with_grad) {
    Arguments arguments = given;
    const MaskedArgument x(function, given.array[0]);
    const py::object np = py::module_::import("numpy");
    const py::object data = floating(function, x.data);
    const py::object filled = np.attr("where")(
        x.mask, np.attr("asarray")(-std::numeric_limits<double>::infinity(), data.attr("dtype")),
        data);
    arguments.array[0] = filled.ptr();
    Result result = array_call(function, arguments, with_grad);
    if (!with_grad)
        return result;
    py::dict where;
    where["where"] = x.mask;
    np.attr("copyto")(np.attr("asarray")(result.gradient), 0, **where);
    result.gradient =
        with_mask(function, result.gradient, x.mask, given.array[0], arguments.keyword[out]);
    return result;
}

PyObject *call(const Signature &signature, bool with_grad, PyObject *const *args, Py_ssize_t count,
               PyObject *names) noexcept {
    Arguments arguments;
    if (!parse(signature, args, count, names, arguments))
        return nullptr;
    return guarded([&]() -> PyObject * {
        const bool masked = is_masked_array(arguments.array[0]);
        Result result = (masked ? masked_call : array_call)(signature.name, arguments, with_grad);
        if (!with_grad)
            return result.loss.release().ptr();
        return py::make_tuple(result.loss, result.gradient).release().ptr();
    });
}

} // namespace

PyObject *cross_entropy(PyObject *, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    static constexpr Signature signature{"cross_entropy", 2, {"logits", "targets"}, loss_keywords};
    return call(signature, false, args, count, names);
}

PyObject *cross_entropy_with_grad(PyObject *, PyObject *const *args, Py_ssize_t count,
                                  PyObject *names) {
    static constexpr Signature signature{
        "cross_entropy_with_grad", 2, {"logits", "targets"}, loss_keywords | 1u << out};
    return call(signature, true, args, count, names);
}

} // namespace softlane::bind
