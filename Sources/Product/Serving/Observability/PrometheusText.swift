// SPDX-License-Identifier: Apache-2.0

/// Families of numbers in Prometheus' text format.
struct PrometheusText {
    private(set) var text = ""

    /// One name with its numbers, by labels.
    mutating func family(
        _ name: String, _ type: String, _ help: String,
        _ samples: () -> [([String: String], Double)]
    ) {
        head(name, type, help)
        for (labels, value) in samples() { sample(name, labels, value) }
    }

    /// The counts of a histogram, which grow from bound to bound.
    mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
        head(name, "histogram", help)
        var count = 0
        for (bound, more) in zip(Histogram.bounds.map { "\($0)" } + ["+Inf"], histogram.counts) {
            count += more
            sample("\(name)_bucket", ["le": bound], Double(count))
        }
        sample("\(name)_sum", [:], histogram.sum)
        sample("\(name)_count", [:], Double(count))
    }

    private mutating func head(_ name: String, _ type: String, _ help: String) {
        text += "# HELP trimllava_\(name) \(help)\n# TYPE trimllava_\(name) \(type)\n"
    }

    private mutating func sample(_ name: String, _ labels: [String: String], _ value: Double) {
        let written = labels.sorted { $0.key < $1.key }
            .map { "\($0.key)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
        let number = value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
        text += "trimllava_\(name)\(written.isEmpty ? "" : "{\(written)}") \(number)\n"
    }

    private static func escaped(_ value: String) -> String {
        value.reduce(into: "") { result, character in
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
    }
}
