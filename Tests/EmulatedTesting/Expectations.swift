// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#endif

// What `tools/plain_tests.py` makes of Swift Testing's macros, for programs of Embedded Swift, whose module
// `Testing` this is. They run on one thread.

private nonisolated(unsafe) var test = ""
private nonisolated(unsafe) var (tests, expectations, failures) = (0, 0, 0)
/// Whether the test has failed: what comes after its first failure is counted only.
private nonisolated(unsafe) var hasFailed = false

/// Starts a test, named with its arguments.
public func begin(_ name: String) {
    (test, hasFailed) = (name, false)
    tests += 1
}

/// Ends the program: with an error where a test has failed, and where none has run.
public func end() {
    print("\(tests) tests, \(expectations) expectations, \(failures) failures")
    exit(failures == 0 && expectations > 0 ? 0 : 1)
}

/// Counts an expectation, and tells of the first one in a test that does not hold.
///
/// - Parameters:
///   - condition: its source text.
///   - place: its file and line.
///   - sides: what was compared.
public func expect(
    _ isTrue: Bool, _ condition: String, _ place: String, _ comment: @autoclosure () -> String,
    sides: @autoclosure () -> String = ""
) {
    expectations += 1
    guard !isTrue else { return }
    failures += 1
    guard !hasFailed else { return }
    hasFailed = true
    print("\(test) fails at \(place): \(condition)")
    for line in [sides(), comment()] where !line.isEmpty { print("    \(line)") }
}

/// The value, without which no test can go on.
public func require<Value>(_ value: Value?) -> Value {
    guard let value else {
        print("\(test): a value is missing")
        exit(1)
    }
    return value
}

/// `left <= right`.
public func expectAtMost(
    _ left: Double, _ right: Double, _ condition: String, _ place: String,
    _ comment: @autoclosure () -> String
) {
    expect(
        left <= right, condition, place, comment(), sides: "\(left) is not at most \(right)")
}

/// `left <= right`.
public func expectAtMost(
    _ left: Float, _ right: Float, _ condition: String, _ place: String,
    _ comment: @autoclosure () -> String
) {
    expectAtMost(Double(left), Double(right), condition, place, comment())
}

/// `left < right`.
public func expectLess(
    _ left: Double, _ right: Double, _ condition: String, _ place: String,
    _ comment: @autoclosure () -> String
) {
    expect(left < right, condition, place, comment(), sides: "\(left) is not below \(right)")
}

/// `left == right`.
public func expectEqual<Value: Equatable>(
    _ left: Value, _ right: Value, _ condition: String, _ place: String,
    _ comment: @autoclosure () -> String
) {
    expect(left == right, condition, place, comment())
}

/// `left == right`, of numbers or texts.
public func expectEqual<Value: Equatable & CustomStringConvertible>(
    _ left: Value?, _ right: Value?, _ condition: String, _ place: String,
    _ comment: @autoclosure () -> String
) {
    expect(
        left == right, condition, place, comment(),
        sides: "\(text(left)) is not \(text(right))")
}

/// `left == right`, of rows of numbers.
public func expectEqual<Value: Equatable & CustomStringConvertible>(
    _ left: [Value]?, _ right: [Value]?, _ condition: String, _ place: String,
    _ comment: @autoclosure () -> String
) {
    expect(
        left == right, condition, place, comment(), sides: firstDifference(left, right))
}

private func firstDifference<Value: Equatable & CustomStringConvertible>(
    _ left: [Value]?, _ right: [Value]?
) -> String {
    guard let left, let right else { return "one of them is missing" }
    guard left.count == right.count else { return "\(left.count) are not \(right.count) numbers" }
    let index = left.indices.first { left[$0] != right[$0] } ?? 0
    return "number \(index) is \(left[index]), not \(right[index])"
}

private func text<Value: CustomStringConvertible>(_ value: Value?) -> String {
    value.map { "\($0)" } ?? "nil"
}

/// A test's argument in its name.
public func text<Value: CustomStringConvertible>(_ value: Value) -> String { "\(value)" }

/// A pair in a test's name: its first value.
public func text<First: CustomStringConvertible, Second>(_ pair: (First, Second)) -> String {
    "\(pair.0)"
}
