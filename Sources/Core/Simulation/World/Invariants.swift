import MigrationModel
import Ownership

/// A promise that was broken.
public struct Violation: Hashable, Sendable {
    /// Which one, and how.
    public let promise: String
    /// When, in milliseconds of virtual time.
    public let time: Int
}

/// What must hold after every event (SWITCHOVER, "How it is proved").
extension World {
    func checkPromises() {
        readyTimeouts()
        let running = hosts.indices.filter { hosts[$0].hypervisor?.state == .running }
        if running.count > 1 {
            violate("two copies run, on \(running.map(name).joined(separator: " and "))")
        }
        for source in hosts.indices {
            for destination in hosts.indices where source != destination {
                let verdict = Verdict.decide(
                    source: view(of: source), destination: view(of: destination))
                if verdict == .impossible || isContested(source, destination) {
                    violate(
                        "records contradict each other: \(name(source)) "
                            + "\(hosts[source].disk.right.brief), \(name(destination)) "
                            + "\(hosts[destination].disk.right.brief)")
                }
            }
        }
    }

    /// Whether two hosts own the VM without an operator's having decided for one of them.
    private func isContested(_ one: Int, _ other: Int) -> Bool {
        let (here, there) = (hosts[one].disk.right, hosts[other].disk.right)
        return here.mayRun && there.mayRun && !here.epoch.isForced(beyond: there.epoch)
            && !there.epoch.isForced(beyond: here.epoch)
    }

    /// A host as it is, whether it can be asked or not.
    func view(of host: Int) -> HostView {
        let guest: GuestLocation.State =
            switch hosts[host].hypervisor?.state {
            case .running: .running
            case .paused, .incoming: .paused
            case .failed, .dead, nil: .stopped
            }
        return HostView(right: hosts[host].disk.right, guest: guest)
    }

    /// A copy is about to execute its first instruction.
    func checkStart(of guest: Hypervisor, on host: Int) {
        if guest.isDamaged { violate("\(name(host)) runs damaged memory") }
        if guest.memory < lastRun.moment {
            violate(
                "\(name(host)) runs memory of moment \(guest.memory), "
                    + "the guest was at \(lastRun.moment) on \(name(lastRun.host))")
        } else if guest.memory != lastRun.moment || guest.devices != lastRun.moment {
            violate(
                "\(name(host)) runs memory of moment \(guest.memory) with devices of "
                    + "\(guest.devices), the final pause was \(lastRun.moment)")
        }
        if case .owner(let epoch, let migration?) = hosts[host].disk.right, epoch.number > 0 {
            taken.insert(migration)
        }
        guard !hosts[host].disk.hasFailed, mutant != .noArmedRule else { return }
        if hosts[host].disk.durable?.right.mayRun != true {
            violate("\(name(host)) runs, its record says \(hosts[host].disk.right.brief)")
        }
    }

    /// livemig ends a copy: a whole one, which may be the only good one, only after its refusal is
    /// durable.
    func checkEnd(on host: Int) {
        if case .ready = hosts[host].disk.durable?.right, mutant != .noArmedRule {
            violate("\(name(host)) destroys a ready copy, its record still says so")
        }
    }

    /// An operator takes a copy for the guest, whatever it is worth.
    func acceptCopy(_ copy: Hypervisor, on host: Int) {
        excuse("the operator lets \(name(host)) take the right")
        lastRun = (copy.memory, host)
    }

    /// Pages are placed into the memory that was made for an attempt, which may be gone.
    func place(_ memory: Int, isDamaged: Bool, for attempt: Attempt, on host: Int) {
        guard hosts[host].hypervisor?.attempt == attempt else { return }
        hosts[host].hypervisor?.memory = memory
        hosts[host].hypervisor?.isDamaged = isDamaged
    }

    func checkChange(from old: Right, to new: Right, on host: Int) {
        if new.epoch < old.epoch {
            violate("\(name(host)): the epoch goes back, \(old.brief) → \(new.brief)")
        }
        if !old.mayBecome(new) { violate("\(name(host)): \(old.brief) → \(new.brief)") }
    }

    /// A move that reports success with nothing left over must have been one.
    func checkSuccess(of attempt: Attempt, from source: Int, to destination: Int) {
        if !taken.contains(attempt.migration) {
            violate("a move succeeded and the guest has not run on \(name(destination))")
        }
        if hosts[destination].disk.right.epoch < attempt.epoch {
            violate("a move succeeded and \(name(destination)) does not own the guest")
        }
        let right = hosts[source].disk.right
        if right.epoch == attempt.epoch, hosts[source].hypervisor?.isAlive == true {
            violate("a move succeeded and the copy on \(name(source)) is still there")
        }
    }

    /// After everything works again and recovery has nothing left to do.
    func checkOutcome() {
        guard violation == nil else { return }
        let running = hosts.indices.filter { hosts[$0].hypervisor?.state == .running }
        if running.count == 1 { return }
        let owners = hosts.indices.filter { hosts[$0].disk.right.mayRun }
        let records = hosts.indices.map { "\(name($0)) \(hosts[$0].disk.right.brief)" }
            .joined(separator: ", ")
        if excuses.isEmpty {
            violate("nobody runs the guest after recovery, and nothing excuses it: \(records)")
        } else if owners.count != 1 {
            violate("\(owners.count) owners after recovery, nobody runs the guest: \(records)")
        } else if let owner = owners.first, hosts[owner].hypervisor?.state == .paused {
            violate("the guest stands still on its owner after recovery: \(records)")
        }
    }
}

extension Right {
    /// The changes that a record may go through.
    fileprivate func mayBecome(_ next: Right) -> Bool {
        // A fenced host may have been some attempts ahead of the one that was given the right.
        let isForced = next.epoch.isForced(beyond: epoch)
        switch (self, next) {
        case (_, .owner) where isForced: return self.attempt != nil
        case (_, .gone) where isForced: return mayRun
        case (.none, .armed), (.none, .aborted): return true
        case (.owner(let epoch, _), .intent(let attempt)): return attempt.epoch > epoch
        case (.owner(let epoch, let migration), .aborted(let attempt)):
            return attempt.epoch == epoch && attempt.migration == migration
        case (.intent(let old), .owner(let epoch, nil)),
            (.released(let old, _), .owner(let epoch, nil)):
            return epoch == old.epoch
        case (.ready(let old, _), .owner(let epoch, let migration)):
            return epoch == old.epoch && migration == old.migration
        case (.intent(let old), .released(let new, _)), (.released(let old, _), .gone(let new)),
            (.armed(let old), .ready(let new, _)), (.armed(let old), .aborted(let new)),
            (.ready(let old, _), .aborted(let new)):
            return old == new
        case (.aborted(let old), .armed(let new)), (.aborted(let old), .aborted(let new)),
            (.gone(let old), .armed(let new)), (.gone(let old), .aborted(let new)):
            return new.epoch > old.epoch
        default: return false
        }
    }
}

extension Epoch {
    /// Whether an epoch can only have come from an operator's decision after another, or after an
    /// attempt that came after that: attempts alone do not lead so far in a story.
    func isForced(beyond other: Epoch) -> Bool {
        self > other && number - other.number >= GuardianMachine.forcedEpochs / 2
    }
}
