// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Evaluation
import FileOutput
import TrimLLaVA

/// `eval --calibrate`: what automatic budgets leave of the answers becomes a file beside the text model.
struct EvalCalibration {
    /// What is measured: as many tokens for each that stands out as the rule of drawn scenes has.
    static let budgets = AutomaticRule.drawnScenes.points.map { point in
        KeepBudget.adaptive(quality: point.quality)
    }

    /// The file.
    let path: String
    /// The unpruned model, and what was measured.
    private let settings: [EvaluationSetting]

    /// - Throws: `ValidationError` for more than one way to select, and a file in the calibration's place that is none.
    init(of model: ModelOptions, _ settings: [EvaluationSetting]) throws {
        guard settings.count == 1 + Self.budgets.count else {
            throw ValidationError(
                "--calibrate measures one selector, expected one of --selector, --positions and --merge"
            )
        }
        path = Calibration.path(beside: model.model)
        self.settings = settings
        do throws(CalibrationError) {
            _ = try Calibration.read(beside: model.model)
        } catch {
            throw ValidationError("\(error); --calibrate does not overwrite it")
        }
    }

    /// Writes what the answers say.
    ///
    /// - Returns: a sentence for the user.
    /// - Throws: `EvalCalibrationError`, `FileOutputError`.
    func write(_ summary: EvaluationSummary, _ questions: Int) throws -> String {
        let totals = settings.compactMap { setting in
            summary.rows.last { $0.setting == setting.name }
        }
        guard let unpruned = totals.first?.score, unpruned > 0, totals.count == settings.count
        else {
            throw EvalCalibrationError.nothingRight
        }
        let points = zip(AutomaticRule.drawnScenes.points, totals.dropFirst()).map { point, total in
            AutomaticRule.Point(
                tokensPerOutstanding: point.tokensPerOutstanding,
                quality: 100 * total.score / unpruned)
        }
        guard let rule = AutomaticRule(measured: points), let pruning = settings[1].pruning else {
            throw EvalCalibrationError.incomparable(qualities: points.map(\.quality))
        }
        let calibration = Calibration(
            rule: rule, selector: pruning.selector, questions: questions)
        try OutputFile.write(try calibration.json().utf8, to: FilePath(path))
        return """
            \(path): automatic budgets of this model follow \(questions) questions now\
            \(Self.uncertainty(of: totals.dropFirst(), unpruned: unpruned))
            """
    }

    /// How far resamples of the questions are from what was measured.
    private static func uncertainty(
        of totals: some Sequence<EvaluationSummary.Row>, unpruned: Double
    ) -> String {
        let distances = totals.compactMap { total in
            total.retained.map { interval in
                let share = total.score / unpruned
                return 100 * max(interval.upperBound - share, share - interval.lowerBound)
            }
        }
        guard let most = distances.max() else {
            return "; they are too few to say how sure that is"
        }
        return String(
            format: "; the shares are sure to %.1f points (95 %% confidence)", most)
            + (most > surePoints ? ", so take more questions" : "")
    }

    /// As many points lie between `auto` and `auto:100%`.
    private static let surePoints = 2.0
}

/// Why scores make no calibration.
enum EvalCalibrationError: Error, Equatable, CustomStringConvertible {
    /// The unpruned model answers no question right.
    case nothingRight
    /// The shares of its score, in per cent, are not those of a model that pruning costs something.
    case incomparable(qualities: [Double])

    var description: String {
        switch self {
        case .nothingRight:
            "no calibration: the unpruned model answers no question right, so there is nothing to compare with"
        case .incomparable(let qualities):
            """
            no calibration: automatic budgets leave \(qualities.map { "\(Int($0)) %" }.joined(separator: ", ")) of \
            the unpruned score, expected at most 1000 %
            """
        }
    }
}
